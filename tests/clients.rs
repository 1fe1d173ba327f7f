//! Real clients against the real program, where they are installed: curl, ffprobe, ffmpeg.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Folder, Program, film, find_program};

/// What a client printed; the test fails where the client did.
fn run(program: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("videos")
}

#[test]
fn curl_reads_ranges_heads_and_resumes() {
    let Some(curl) = find_program("curl", "curl") else { return };
    let film = film(5_000_000);
    let folder = Folder::new().with("film.mp4", &film);
    let program = Program::start(folder.path(), &[]);
    let url = format!("http://{}/video/film.mp4", program.address);
    let get = |options: &[&str]| run(&curl, &[&["-sS"], options, &[&url]].concat());
    assert!(get(&[]) == film);
    assert_eq!(get(&["-r", "0-1"]), film[..2]);
    assert_eq!(get(&["-r", "-500"]), film[film.len() - 500..]);
    assert!(get(&["--http1.0"]) == film);
    let code = get(&["-r", "999999999-", "-o", "/dev/null", "-w", "%{http_code}"]);
    assert_eq!(code, b"416");
    let head = String::from_utf8(get(&["-I"])).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 5000000\r\n"), "{head}");

    let part = folder.file("part");
    fs::write(&part, &film[..1_234_567]).unwrap();
    get(&["-C", "-", "-o", part.to_str().unwrap()]);
    assert!(fs::read(&part).unwrap() == film);

    let both = run(&curl, &["-sS", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects} ", &url, &url]);
    assert_eq!(both, b"1 0 ", "the second request goes over the first one's connection");
}

#[test]
fn ffprobe_reads_the_sample_and_ffmpeg_seeks_in_it() {
    let (Some(ffprobe), Some(ffmpeg)) = (find_program("ffprobe", "ffmpeg"), find_program("ffmpeg", "ffmpeg")) else {
        return;
    };
    let program = Program::start(&sample(), &[]);
    let url = format!("http://{}/video/countdown.mp4", program.address);
    let entries = ["-v", "error", "-show_entries", "format=duration:stream=codec_name", "-of", "csv=p=0"];
    let probed = String::from_utf8(run(&ffprobe, &[&entries[..], &[&url]].concat())).unwrap();
    assert_eq!(probed.split_whitespace().collect::<Vec<_>>(), ["h264", "aac", "11.000000"]);

    let local = sample().join("countdown.mp4");
    let frame = |from: &str, source: &str| {
        let output = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"];
        run(&ffmpeg, &[&["-v", "error", "-ss", from, "-i", source], &output[..]].concat())
    };
    for from in ["0", "3.5", "8.5"] {
        let seen = frame(from, &url);
        assert!(seen.len() == 640 * 360 && seen == frame(from, local.to_str().unwrap()), "{from}");
    }
    assert!(frame("3.5", &url) != frame("8.5", &url), "another second shows another number");
}
