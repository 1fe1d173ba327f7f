//! Listings: what they leave out is said on the page, in the playlist, and in the log.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::support::{Client, Folder, Program, Running, eventually};

#[test]
fn links_that_lead_out_are_counted_and_the_log_has_one_line_a_minute() {
    let folder = Folder::new().with("videos/a.mp4", "film").with("videos/show/b.mp4", "film").with("out/c.mp4", "film");
    symlink("../out", folder.file("videos/out")).unwrap();
    symlink("../../out/c.mp4", folder.file("videos/show/c.mp4")).unwrap();
    symlink("nowhere.mp4", folder.file("videos/dangling.mp4")).unwrap();
    let log = folder.file("log");
    let mut command = Program::command();
    command.arg(folder.file("videos")).args(["--port", "0"]).stderr(fs::File::create(&log).unwrap());
    let program = Program::start_command(command);
    let get = |target: &str| {
        let mut client = Client::connect(program.address);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: nas\r\n\r\n"));
        client.read("GET")
    };
    for _ in 0..3 {
        assert_eq!(get("/api/videos").status, 200);
        let start = |links| format!("#EXTM3U\n# This list is incomplete: {links} out of the folder.");
        assert!(get("/playlist.m3u").text().starts_with(&start("2 links")));
        assert!(get("/playlist.m3u?path=show").text().starts_with(&start("1 link")));
        assert!(!get("/playlist.m3u?path=a.mp4").text().contains("incomplete"));
        for target in ["/", "/?path=show"] {
            assert!(get(target).text().contains("<p class=notice>This list is incomplete: 1 link out of the folder."));
        }
    }
    let lines = || {
        let log = fs::read_to_string(&log).unwrap();
        log.lines().filter(|line| line.contains("out of the folder")).map(str::to_owned).collect::<Vec<_>>()
    };
    eventually("it is in the log", || !lines().is_empty());
    let lines = lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line =
        "videos\": 2 links out of the folder (--follow-symlinks serves them), e.g. \"out\": link out of the folder";
    assert!(lines[0].ends_with(line), "{lines:?}");
}

#[test]
fn the_api_reports_any_date() {
    let folder = Folder::new().with("old.mp4", "").with("new.mp4", "");
    let set =
        |name: &str, time| File::options().write(true).open(folder.file(name)).unwrap().set_modified(time).unwrap();
    set("old.mp4", UNIX_EPOCH - Duration::from_secs(1_000_000_000));
    set("new.mp4", UNIX_EPOCH + Duration::from_secs(10_000_000_000));
    let server = Running::over(&folder);
    let videos: Vec<Value> = serde_json::from_slice(&Client::get(server.address, "/api/videos").body).unwrap();
    assert_eq!(videos[1]["modified"], "1938-04-24T22:13:20Z");
    // Some file systems can't store this date.
    if fs::metadata(folder.file("new.mp4")).unwrap().mtime() == 10_000_000_000 {
        assert_eq!(videos[0]["modified"], "2286-11-20T17:46:40Z");
    }
}
