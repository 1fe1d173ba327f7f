//! Names of files that break careless HTML, JSON, playlists or logs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use crate::support::{Client, Folder, Program, Running, eventually};

/// Names that break careless HTML, JSON, playlists or logs. A slash makes a folder.
fn hostile_names() -> Vec<Vec<u8>> {
    let names: &[&[u8]] = &[
        b"<script>alert(1)</script>.mp4",
        b"a\nhttp:/evil/x.mp4",
        b"a\r\nContent-Type: text\r\n\r\n.mp4",
        b"#EXTM3U.mp4",
        b"#EXTINF:-1,x\n#EXTM3U.mp4",
        b"\"'`&quot;.mp4",
        b"\\\\\\\".mp4",
        b"100%25 a+b?c=d&e#f;.mp4",
        b"\xff\xfe\x80.mp4",
        b"\x1b[31m\x07\x7f.mp4",
        b" leading and trailing .mp4",
        "\u{202e}4pm.\u{202c}\u{2028}\u{85}\u{200f}.mp4".as_bytes(),
        "\u{1f3ac} \u{65e5}\u{672c}.mp4".as_bytes(),
        b"}\n# TYPE x counter\nx 1.mp4",
        b"-->.mp4",
    ];
    let mut names: Vec<_> = names.iter().map(|name| name.to_vec()).collect();
    names.push([vec![b'x'; 251], b".mp4".to_vec()].concat());
    names
}

fn hostile_folder() -> Folder {
    hostile_names().iter().fold(Folder::new(), |folder, name| {
        let subtitle = [&name[..name.len() - 4], b".en.srt"].concat();
        let folder = folder.with(OsStr::from_bytes(name), name);
        // The longest name leaves no space for a language tag.
        if subtitle.len() > 255 {
            return folder;
        }
        folder.with(OsStr::from_bytes(&subtitle), "1\n00:00:01,000 --> 00:00:02,000\n<script>alert(1)</script>\n")
    })
}

#[test]
fn hostile_names_break_no_playlist_and_every_entry_plays() {
    let folder = hostile_folder();
    let server = Running::over(&folder);
    let answer = Client::get(server.address, "/playlist.m3u");
    assert_eq!(answer.field("content-type"), Some("audio/x-mpegurl"));
    let origin = format!("http://{}", server.address);
    let mut lines = answer.text().lines();
    assert_eq!(lines.next(), Some("#EXTM3U"));
    let mut found = Vec::new();
    while let Some(title) = lines.next() {
        let after = title.strip_prefix("#EXTINF:-1").expect("a title");
        assert!(after.starts_with([',', ' ']) && !title.contains(char::is_control), "{title:?}");
        let mut next = lines.next().unwrap();
        if let Some(subtitles) = next.strip_prefix("#EXTVLCOPT:input-slave=").and_then(|url| url.strip_prefix(&origin))
        {
            assert_eq!(Client::get(server.address, subtitles).status, 200, "{subtitles}");
            next = lines.next().unwrap();
        }
        let path = next.strip_prefix(&origin).expect("an address of this host");
        let film = Client::get(server.address, path);
        assert_eq!(film.status, 200, "{path}");
        found.push(film.body);
    }
    let mut want = hostile_names();
    found.sort();
    want.sort();
    assert_eq!(found, want, "each file contains its own name");
}

#[test]
fn hostile_names_break_no_json_and_every_url_leads_to_its_file() {
    let folder = hostile_folder();
    let server = Running::over(&folder);
    let answer = Client::get(server.address, "/api/videos");
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let videos: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(videos.len(), hostile_names().len());
    for video in &videos {
        let fields: Vec<_> = video.as_object().unwrap().keys().map(String::as_str).collect();
        let mut want = ["name", "url", "watch", "size", "modified", "type", "subtitles"];
        want.sort_unstable();
        assert_eq!(fields, want);
        let film = Client::get(server.address, video["url"].as_str().unwrap());
        assert_eq!(video["name"].as_str().unwrap(), String::from_utf8_lossy(&film.body));
        for subtitle in video["subtitles"].as_array().unwrap() {
            assert_eq!((&subtitle["lang"], &subtitle["label"]), (&"en".into(), &"English".into()));
            let text = Client::get(server.address, subtitle["url"].as_str().unwrap());
            let want = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nalert(1)\n\n";
            assert_eq!((text.status, text.text()), (200, want));
        }
    }
    let with_subtitles = videos.iter().filter(|video| video["subtitles"] != Value::Array(Vec::new())).count();
    assert_eq!(with_subtitles, videos.len() - 1);
}

#[test]
fn hostile_names_add_one_line_each_to_the_log_and_none_to_the_metrics() {
    let folder = hostile_folder();
    let program = Program::with_log(Program::serving(folder.path(), &[]));
    let before = Client::get(program.address, "/metrics").text().lines().count();
    let videos: Vec<Value> = serde_json::from_slice(&Client::get(program.address, "/api/videos").body).unwrap();
    for video in &videos {
        assert_eq!(Client::get(program.address, video["url"].as_str().unwrap()).status, 200);
    }
    // The warning about a link that leads out of the folder contains its name, too.
    std::os::unix::fs::symlink("/etc/hostname", folder.file("out\n\x1b[31m.mp4")).unwrap();
    assert_eq!(Client::get(program.address, "/video/out%0A%1B[31m.mp4").status, 404);
    assert_eq!(Client::get(program.address, "/metrics").text().lines().count(), before);
    let mut text = String::new();
    eventually("every request is in the log", || {
        text = program.log();
        text.lines().filter(|line| line.contains("\"GET /video/") && line.contains("\" 200 ")).count() == videos.len()
    });
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.lines().all(|line| line.starts_with('[')), "{text}");
}
