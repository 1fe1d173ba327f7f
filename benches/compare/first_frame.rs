//! The time from the start of a page's load to the first frame of its film, in Chromium.
//!
//! filmstrip has a page for each film. The other servers get a minimal one: a file beside the film, with nothing but a
//! `<video>`. Node and Playwright load the page (`first_frame.mjs`).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::data::Data;
use crate::rounds::Outcome;

/// filmstrip's page.
pub const WATCH: &str = "/watch/films/countdown.mp4";

/// The page of the other servers.
pub const PAGE: &str = "/video/films/countdown.html";

/// How often a page is loaded in one measurement.
const LOADS: usize = 5;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Makes the film, twenty minutes of the sample one, and the page.
///
/// # Errors
/// What is missing.
pub fn prepare(data: &Data) -> Outcome<()> {
    if !Path::new(REPOSITORY).join("tests/browser/node_modules/playwright-core").exists() {
        return Err("Playwright is missing (run npm ci in tests/browser)".into());
    }
    if !Path::new(&std::env::var("CHROMIUM").unwrap_or("/usr/bin/chromium".into())).exists() {
        return Err("Chromium is missing (Debian: apt install chromium)".into());
    }
    let film = data.films().join("countdown.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-stream_loop", "109", "-i"]).arg(format!("{REPOSITORY}/videos/countdown.mp4"));
    ffmpeg.args(["-c", "copy", "-movflags", "+faststart"]).arg(film);
    output_of(&mut ffmpeg)?;
    fs::write(
        data.films().join("countdown.html"),
        "<!DOCTYPE html><title>countdown</title><video src=\"countdown.mp4\" preload=\"metadata\" controls></video>\n",
    )?;
    Ok(())
}

/// The times of some loads in milliseconds, sorted.
pub fn times(address: SocketAddr, path: &str) -> Outcome<Vec<f64>> {
    let mut node = Command::new("node");
    node.arg(format!("{REPOSITORY}/benches/compare/first_frame.mjs"));
    node.args([format!("http://{address}{path}"), LOADS.to_string()]);
    let mut times: Vec<f64> = output_of(&mut node)?.lines().map(str::parse).collect::<Result<_, _>>()?;
    times.sort_unstable_by(f64::total_cmp);
    Ok(times)
}

/// What a program prints; an error if it fails.
pub fn output_of(command: &mut Command) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let outcome = command.stdin(Stdio::null()).output().map_err(|error| format!("{name} can't be run: {error}"))?;
    match outcome.status.success() {
        true => Ok(String::from_utf8(outcome.stdout)?),
        false => {
            let messages = String::from_utf8_lossy(&outcome.stderr);
            Err(messages.lines().next().map_or(format!("{name} failed"), str::to_owned).into())
        }
    }
}
