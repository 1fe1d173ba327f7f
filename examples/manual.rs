//! Writes the manual page and the completions for bash, zsh and fish, from the definition of the command line.
//!
//! `cargo run --example manual -- share` writes them below `share`, where packages put them below `/usr/share`.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;
use filmstrip::cli::Arguments;

/// What the definition of the command line doesn't say, before and after the options.
const SYNOPSIS: &str = r"
.SH SYNOPSIS
.B filmstrip
.RI [ OPTIONS ]
.RI [ DIR ]
.SH DESCRIPTION
Serves the videos below
.I DIR
to browsers and players, which may seek and resume.
Once it listens, it prints each URL on a line of its own on standard output.
The log goes to standard error.
Durations are written 500ms, 10s or 2m.
";

const STATUS: &str = r#"
.SH EXIT STATUS
0 after SIGTERM or SIGINT; 1 if it failed to start, with the reason on standard error; 2 if the arguments are invalid.
.SH ENVIRONMENT
.TP
.B RUST_LOG
What is logged, by default info.
warn logs only warnings and errors, info,filmstrip::access=off everything but the responses.
.TP
.BR LISTEN_FDS ", " LISTEN_PID
Listening sockets from systemd. They replace \-\-bind, \-\-port and \-\-lan.
.TP
.B NOTIFY_SOCKET
Where systemd is told that the server is ready, or stops.
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let share = PathBuf::from(std::env::args_os().nth(1).ok_or("pass the folder to write to")?);
    let mut command = Arguments::command();

    let man = share.join("man/man1");
    fs::create_dir_all(&man)?;
    let mut page = File::create(man.join("filmstrip.1"))?;
    // Its default date would be no word at all, and move those behind it.
    let man = clap_mangen::Man::new(command.clone()).date(" ").manual("User Commands");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    page.write_all(SYNOPSIS.as_bytes())?;
    man.render_options_section(&mut page)?;
    page.write_all(STATUS.as_bytes())?;

    let completions = [
        (Shell::Bash, "bash-completion/completions", "filmstrip"),
        (Shell::Zsh, "zsh/site-functions", "_filmstrip"),
        (Shell::Fish, "fish/vendor_completions.d", "filmstrip.fish"),
    ];
    for (shell, folder, name) in completions {
        let folder = share.join(folder);
        fs::create_dir_all(&folder)?;
        clap_complete::generate(shell, &mut command, "filmstrip", &mut File::create(folder.join(name))?);
    }
    Ok(())
}
