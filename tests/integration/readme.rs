//! Every command in the README does what is written there.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Folder, Program, find_program};

/// The README's blocks in `language`.
fn blocks(language: &str) -> Vec<&'static str> {
    let readme = include_str!("../../README.md");
    let start = format!("```{language}\n");
    let after: Vec<_> = readme.split(&start).skip(1).collect();
    after.into_iter().map(|text| text.split("```").next().unwrap()).collect()
}

/// Runs a command of the README in the repository, with this build of the program, and `home` for `~`.
fn shell(script: &str, home: &Path) -> Command {
    let program = Program::command().get_program().to_owned();
    let bin = Path::new(&program).parent().unwrap().display().to_string();
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command.env("HOME", home).env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap()));
    command
}

#[test]
fn every_make_command_in_the_readme_exists() {
    if find_program("make", "make").is_none() {
        return;
    }
    let lines: Vec<_> = blocks("sh").into_iter().flat_map(str::lines).collect();
    assert!(lines.len() >= 4, "{lines:?}");
    for line in lines {
        let command = line.split('#').next().unwrap().trim().trim_start_matches("sudo ");
        let target = command.strip_prefix("make ").unwrap_or_else(|| panic!("{command} isn't tested"));
        // What they do is tested by their use: this test runs in `make test`, and service.rs installs.
        let output =
            Command::new("make").args(["-n", target]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}: {output:?}");
    }
}

#[test]
fn every_session_in_the_readme_works_as_shown() {
    let has_curl = find_program("curl", "curl").is_some();
    let home = Folder::new();
    fs::create_dir(home.file("Videos")).unwrap();
    let mut servers = 0;
    for block in blocks("console") {
        let mut program: Option<Program> = None;
        for entry in block.split("$ ").skip(1) {
            let (command, shown) = entry.split_once('\n').unwrap();
            if command.contains("filmstrip") {
                let command = command.trim_end_matches(" &");
                let mut command = shell(&format!("exec env {command} --port 0"), home.path());
                command.stderr(Stdio::null());
                let started = Program::start_command_at(command);
                let path = shown.lines().next().map_or("/", |url| &url[url.rfind(":8000").unwrap() + 5..]);
                assert!(started.1.ends_with(path), "{} for {entry}", started.1);
                program = Some(started.0);
                servers += 1;
                continue;
            }
            let port = program.as_ref().expect("a server").address.port();
            if !has_curl {
                continue;
            }
            let output = shell(&command.replace("8000", &port.to_string()), home.path()).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap().replace('\r', "");
            let want = shown.trim_end().trim_end_matches("...");
            assert!(output.status.success() && text.starts_with(want), "{command} printed {text}");
        }
    }
    assert!(servers >= 4, "{servers}");
}
