//! Real clients, if installed, and the program: curl, ffprobe, ffmpeg and others.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{self, Folder, Program, film, find_program};

/// What a client printed. Panics if the client fails.
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
    assert_eq!(both, b"1 0 ", "the second request uses the first one's connection");
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

#[test]
fn downloaders_resume_and_split_to_the_byte() {
    let film = film(100_000_000);
    let folder = Folder::new().with("film.mp4", &film);
    let program = Program::start(folder.path(), &[]);
    let url = format!("http://{}/video/film.mp4", program.address);
    let part = folder.file("part");
    let part_name = part.to_str().unwrap();
    if let Some(wget) = find_program("wget", "wget") {
        fs::write(&part, &film[..33_333_333]).unwrap();
        run(&wget, &["-q", "-c", "-O", part_name, &url]);
        assert!(fs::read(&part).unwrap() == film, "wget -c");
    }
    if let Some(aria2c) = find_program("aria2c", "aria2") {
        fs::remove_file(&part).unwrap_or_default();
        let dir = format!("--dir={}", folder.path().display());
        run(&aria2c, &["-q", "-x8", "-s8", "--min-split-size=1M", &dir, "--out=part", &url]);
        assert!(fs::read(&part).unwrap() == film, "aria2c -x8 -s8");
    }
}

#[test]
fn hls_and_dash_folders_play_unchanged() {
    let (Some(ffprobe), Some(ffmpeg)) = (find_program("ffprobe", "ffmpeg"), find_program("ffmpeg", "ffmpeg")) else {
        return;
    };
    let folder = Folder::new();
    let source = sample().join("countdown.mp4");
    let path = |name: &str| folder.file(name).to_str().unwrap().to_owned();
    let copy = ["-v", "error", "-i", source.to_str().unwrap(), "-c", "copy"];
    run(&ffmpeg, &[&copy[..], &["-hls_time", "2", "-hls_playlist_type", "vod", &path("film.m3u8")]].concat());
    run(&ffmpeg, &[&copy[..], &["-f", "dash", "-seg_duration", "2", &path("film.mpd")]].concat());
    let program = Program::start(folder.path(), &[]);
    for name in ["film.m3u8", "film.mpd"] {
        let url = format!("http://{}/video/{name}", program.address);
        let probed = run(&ffprobe, &["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", &url]);
        let mut codecs: Vec<String> =
            String::from_utf8(probed).unwrap().split_whitespace().map(str::to_owned).collect();
        codecs.sort();
        codecs.dedup();
        assert_eq!(codecs, ["aac", "h264"], "{name}");
        let frames = run(&ffmpeg, &["-v", "error", "-i", &url, "-map", "0:v", "-f", "framecrc", "-"]);
        assert_eq!(
            String::from_utf8(frames).unwrap().lines().filter(|line| !line.starts_with('#')).count(),
            275,
            "{name}"
        );
    }
}

/// False positives: the linter sees only the response. Each belongs to requests with the given line.
const FALSE_POSITIVES: [(&str, &str); 2] = [
    // A response with several ranges must not have this field in its head (RFC 9110 §15.3.7.2).
    ("0-9,20-29", "[BAD] This response is partial, but doesn't have a Content-Range header."),
    // The request is a preflight.
    ("Access-Control-Request-Method", "[BAD] CORS headers are only allowed in preflight responses."),
];

#[test]
fn an_independent_linter_finds_no_error() {
    let Some(httplint) = find_program("httplint", "PyPI: pip install httplint==2026.10.4") else { return };
    let film = fs::read(sample().join("countdown.mp4")).unwrap();
    let folder = Folder::new().with("film.mp4", film).with("page.html", "<!doctype html><p>Hello");
    let program = Program::start(folder.path(), &["--cors", "http://tv.local"]);
    let tag = support::Session::first(program.address).get("/video/film.mp4", &[]).field("etag").unwrap().to_owned();
    let requests = [
        ("GET", "/video/film.mp4", String::new()),
        ("GET", "/video/film.mp4?download", String::new()),
        ("GET", "/video/page.html", String::new()),
        ("GET", "/video/film.mp4", "Range: bytes=0-99\r\n".into()),
        ("GET", "/video/film.mp4", "Range: bytes=0-9,20-29\r\n".into()),
        ("GET", "/video/film.mp4", "Range: bytes=99999999-\r\n".into()),
        ("GET", "/video/film.mp4", format!("If-None-Match: {tag}\r\n")),
        ("GET", "/video/film.mp4", "If-Match: \"x\"\r\n".into()),
        ("GET", "/video/film.mp4", "Origin: http://tv.local\r\n".into()),
        ("GET", "/video/none.mp4", String::new()),
        ("GET", "/video/%zz", String::new()),
        ("GET", "/health", String::new()),
        ("POST", "/video/film.mp4", String::new()),
        ("BREW", "/video/film.mp4", String::new()),
        ("OPTIONS", "*", String::new()),
        ("OPTIONS", "/video/film.mp4", "Origin: http://tv.local\r\nAccess-Control-Request-Method: GET\r\n".into()),
        ("GET", "/", "Host: twice\r\n".into()),
    ];
    for (method, target, lines) in requests {
        let mut client = support::Client::connect(program.address);
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: nas\r\nConnection: close\r\n{lines}\r\n"));
        let answer = client.read_rest();
        let mut linter =
            Command::new(&httplint).arg("-n").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        linter.stdin.take().unwrap().write_all(&answer).unwrap();
        let output = linter.wait_with_output().unwrap();
        let notes = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && notes.contains("[GOOD]"), "{method} {target}: {notes}");
        let notes = FALSE_POSITIVES.iter().fold(notes, |notes, (row, finding)| match lines.contains(row) {
            true => notes.replace(finding, ""),
            false => notes,
        });
        for note in notes.lines().filter(|note| note.contains("[BAD]") || note.contains("[WARN]")) {
            eprintln!("{method} {target} {lines:?}: {}", note.trim());
        }
        assert!(!notes.contains("[BAD]"), "{method} {target}: {notes}");
    }
}
