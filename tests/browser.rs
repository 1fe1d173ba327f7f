//! The gallery and the player in real browsers: `tests/browser/`, run by Node with Debian's Chromium and, if installed,
//! Debian's Firefox.
//!
//! Without Node, npm, Chromium or ffmpeg, the test is skipped and prints why; with `FILMSTRIP_TEST_ALL=1`, as in CI, it
//! fails.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

#[test]
fn the_gallery_and_the_player_work_in_a_browser() {
    if let Err(missing) = prepare() {
        let strict = std::env::var_os("FILMSTRIP_TEST_ALL").is_some();
        assert!(!strict, "the browser tests can't run: {missing}");
        // Not by eprintln!, because the harness hides the output of passing tests.
        let _ = writeln!(std::io::stderr(), "skipped the browser tests: {missing}");
        return;
    }
    let mut suite = Command::new("node");
    suite.args(["--test", "--test-reporter=spec"]).current_dir(SUITE);
    suite.env("FILMSTRIP_BIN", env!("CARGO_BIN_EXE_filmstrip")).env("CARGO_TARGET_TMPDIR", env!("CARGO_TARGET_TMPDIR"));
    assert!(suite.status().unwrap().success(), "the browser tests failed; their output is above");
}

/// Checks for the suite's programs and installs its packages. The error names what is missing and how to install it.
fn prepare() -> Result<(), String> {
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    for (program, package) in
        [("node", "nodejs"), ("npm", "npm"), (chromium.as_str(), "chromium"), ("ffmpeg", "ffmpeg")]
    {
        let mut asked = Command::new(program);
        asked.arg(if program == "ffmpeg" { "-version" } else { "--version" });
        let found = asked.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !found {
            return Err(format!("{program} is missing (Debian: apt install {package})"));
        }
    }
    let packages = ["axe-core", "hls.js", "playwright-core"];
    if packages.iter().all(|package| Path::new(SUITE).join("node_modules").join(package).exists()) {
        return Ok(());
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--no-audit", "--no-fund"]).current_dir(SUITE).stdout(Stdio::null()).stderr(Stdio::null());
    match install.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err("npm ci in tests/browser failed (is there a network?)".into()),
    }
}
