//! What is served is what DIR names now, and a server that idles holds nothing of it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, Client, Folder, Program, Running};

/// The names that the API has, with a space between them.
fn listed(address: SocketAddr) -> String {
    let answer = Client::get(address, "/api/videos");
    let videos: Vec<serde_json::Value> = serde_json::from_slice(&answer.body).unwrap();
    videos.iter().map(|video| video["name"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_switched_link_serves_the_new_folder_at_once() {
    let folder = Folder::new()
        .with("one/a.mp4", "older")
        .with("one/only-old.mp4", "x")
        .with("two/a.mp4", "newer")
        .with("two/only-new.mp4", "x");
    let current = folder.file("current");
    symlink("one", &current).unwrap();
    let server = Running::with(&folder, |config| config.dir = current.clone());
    let mut kept = Client::connect(server.address);
    assert_eq!(kept.ask("/video/a.mp4").body, b"older");
    for (target, name) in [("two", "new"), ("one", "old"), ("two", "new")] {
        symlink(target, folder.file("next")).unwrap();
        fs::rename(folder.file("next"), &current).unwrap();
        let film: &[u8] = if name == "new" { b"newer" } else { b"older" };
        assert_eq!(kept.ask("/video/a.mp4").body, film, "on the connection that has the other one open");
        assert_eq!(Client::get(server.address, "/video/a.mp4").body, film);
        assert_eq!(listed(server.address), format!("a.mp4 only-{name}.mp4"));
        assert!(Client::get(server.address, "/").text().contains(&format!("/watch/only-{name}.mp4")));
        assert!(Client::get(server.address, "/playlist.m3u").text().contains(&format!("/video/only-{name}.mp4")));
        assert_eq!(Client::get(server.address, &format!("/watch/only-{name}.mp4")).status, 200);
    }
}

#[test]
fn a_missing_folder_is_503_and_logged_once_until_it_returns() {
    let folder = Folder::new().with("videos/a.mp4", "film");
    let (videos, away) = (folder.file("videos"), folder.file("away"));
    let program = Program::with_log(Program::serving(&videos, &[]));
    let targets = ["/", "/?path=x", "/watch/a.mp4", "/video/a.mp4", "/api/videos", "/playlist.m3u", "/subtitles/a.vtt"];
    let mut kept = Client::connect(program.address);
    assert_eq!(kept.ask("/video/a.mp4").status, 200);
    fs::rename(&videos, &away).unwrap();
    for target in targets {
        let answer = kept.ask(target);
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("3")), "{target}");
    }
    assert_eq!(Client::get(program.address, "/health").status, 200);
    fs::rename(&away, &videos).unwrap();
    assert_eq!(kept.ask("/video/a.mp4").body, b"film");
    assert_eq!(listed(program.address), "a.mp4");
    assert_eq!(Client::get(program.address, "/").status, 200);
    support::eventually("the log says so", || program.log().contains(" can't be read: "));
    assert_eq!(program.log().matches(" can't be read: ").count(), 1);
}

/// A file system in memory that is mounted on a folder; unmounted when it is dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None`, with one line that says why, where this system or user can't mount.
    fn over(path: &Path) -> Option<Self> {
        let output = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(path).output();
        if output.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        support::skip("nothing can be mounted here (run it as root, where mount(2) is allowed)");
        None
    }

    /// Unmounts it as an administrator does, which fails as long as anybody holds it.
    fn unmount(&self) -> Result<(), String> {
        let output = Command::new("umount").arg(&self.0).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_disk_that_is_mounted_over_the_folder_is_seen_at_once() {
    let folder = Folder::new().with("videos/not-mounted.mp4", "x").with("videos/a.mp4", "below");
    let videos = folder.file("videos");
    let server = Running::with(&folder, |config| config.dir = videos.clone());
    let mut kept = Client::connect(server.address);
    assert_eq!(listed(server.address), "a.mp4 not-mounted.mp4");
    assert_eq!(kept.ask("/video/a.mp4").body, b"below");
    let Some(mount) = Mount::over(&videos) else { return };
    fs::write(videos.join("a.mp4"), "above").unwrap();
    assert_eq!(listed(server.address), "a.mp4");
    assert_eq!(kept.ask("/video/a.mp4").body, b"above");
    // What it asked for last stays open; this is something else.
    assert_eq!(kept.ask("/health").status, 200);
    // A program that another test starts at this moment has a copy of each descriptor until it runs.
    support::eventually("it is unmounted", || mount.unmount().is_ok());
    assert_eq!(listed(server.address), "a.mp4 not-mounted.mp4");
    assert_eq!(kept.ask("/video/a.mp4").body, b"below");
}

#[test]
fn an_idle_server_keeps_no_disk_from_being_unmounted() {
    let folder = Folder::new().with("videos/x", "");
    let videos = folder.file("videos");
    let Some(mount) = Mount::over(&videos) else { return };
    fs::write(videos.join("film.mp4"), "film").unwrap();
    let program = Program::start(&videos, &["--idle-timeout", "10m"]);
    let mut idle: Vec<Client> = Vec::new();
    for target in ["/api/videos", "/", "/playlist.m3u", "/watch/film.mp4", "/subtitles/film.vtt", "/video/film.mp4"] {
        let mut client = Client::connect(program.address);
        client.ask(target);
        idle.push(client);
    }
    // A connection keeps its film open for a second.
    let mut outcome = mount.unmount();
    support::eventually("it is unmounted", || {
        if outcome.is_err() {
            outcome = mount.unmount();
        }
        outcome.is_ok()
    });
    for client in &mut idle {
        assert_eq!(client.ask("/health").status, 200, "they are still there");
    }
    assert_eq!(listed(program.address), "");
}
