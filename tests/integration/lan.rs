//! `--lan`: the addresses of this machine, and a QR code of the first.

use std::fs::{self};
use std::process::Command;

use crate::support::{Client, Folder, Program, eventually, find_program};

/// A terminal for the program: a tmux session, ended on drop.
struct Terminal {
    tmux: std::path::PathBuf,
    socket: String,
}

impl Terminal {
    fn run(tmux: std::path::PathBuf, command: &str) -> Self {
        let terminal = Self { tmux, socket: format!("filmstrip-test-{}", std::process::id()) };
        assert!(
            terminal.ask(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "30", command]).status.success()
        );
        terminal
    }

    fn ask(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(&self.tmux).args(["-L", &self.socket]).args(arguments).env("LC_ALL", "C.UTF-8").output().unwrap()
    }

    fn screen(&self) -> String {
        String::from_utf8(self.ask(&["capture-pane", "-p"]).stdout).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
    }
}

/// The half blocks on a screen, black on white: a portable graymap.
fn picture(screen: &str) -> Vec<u8> {
    const SCALE: usize = 8;
    let rows: Vec<Vec<bool>> = screen
        .lines()
        .filter(|line| line.trim().chars().all(|c| " \u{2580}\u{2584}\u{2588}".contains(c)))
        .flat_map(|line| {
            let half = |full: [char; 2]| line.chars().map(move |c| full.contains(&c)).collect();
            [half(['\u{2580}', '\u{2588}']), half(['\u{2584}', '\u{2588}'])]
        })
        .collect();
    let (width, height) = (80 * SCALE, rows.len() * SCALE);
    let mut graymap = format!("P5 {width} {height} 255\n").into_bytes();
    for y in 0..height {
        let row = &rows[y / SCALE];
        graymap.extend((0..width).map(|x| if row.get(x / SCALE) == Some(&true) { 0 } else { 255 }));
    }
    graymap
}

#[test]
fn lan_prints_an_address_and_a_readable_qr_code_on_a_terminal() {
    let (Some(tmux), Some(zbarimg)) = (find_program("tmux", "tmux"), find_program("zbarimg", "zbar-tools")) else {
        return;
    };
    let folder = Folder::new();
    let program = Program::command().get_program().to_str().unwrap().to_owned();
    let terminal = Terminal::run(tmux, &format!("'{program}' --lan --port 0 '{}'", folder.path().display()));
    let mut screen = String::new();
    eventually("everything is on the screen", || {
        screen = terminal.screen();
        screen.contains("Everyone on this network")
    });
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    let url = screen.lines().next().unwrap().to_owned();
    assert!(url.starts_with("http://") && url.ends_with('/'), "{screen}");

    let image = folder.file("code.pgm");
    fs::write(&image, picture(&screen)).unwrap();
    let read = Command::new(zbarimg).args(["--quiet", "--raw"]).arg(&image).output().unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap().trim(), url, "{screen}");

    let address = url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    assert_eq!(Client::get(address, "/health").status, 200, "the server answers at this address");
}

#[test]
fn lan_prints_only_addresses_to_a_pipe() {
    let folder = Folder::new();
    let mut program = Program::with_log(Program::serving(folder.path(), &["--lan"]));
    assert_eq!(Client::get(program.address, "/health").status, 200);
    program.signal(rustix::process::Signal::TERM);
    assert!(program.wait().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(program.child.stdout.as_mut().unwrap(), &mut rest).unwrap();
    assert!(rest.lines().all(|line| line.starts_with("http://") && line.ends_with('/')), "{rest}");
    assert!(program.log().contains("Everyone on this network"), "the log warns that the folder is public");
}
