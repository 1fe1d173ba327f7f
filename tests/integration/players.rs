//! mpv and VLC, if installed, play a playlist.

use std::fs::{self};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Folder, Program, eventually, find_program};

/// Makes a film that is too large for a player to have read completely when it seeks; returns its size.
fn long_film(ffmpeg: &Path, folder: &Folder) -> u64 {
    let film = folder.file("1 \u{e9}t\u{e9}.mp4");
    let source = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-t", "60"];
    let status = Command::new(ffmpeg).args(source).args(["-c:v", "mpeg4", "-q:v", "2"]).arg(&film).status().unwrap();
    assert!(status.success());
    fs::metadata(film).unwrap().len()
}

/// The same film as HLS, in a folder.
fn stream(ffmpeg: &Path) -> Folder {
    let folder = Folder::new().with("Stream/none", "");
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-t", "60"]);
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"]);
    command.args(["-hls_time", "4", "-hls_playlist_type", "vod"]).arg(folder.file("Stream/film.m3u8"));
    assert!(command.status().unwrap().success());
    folder
}

/// Opens the playlist in a player, without a password and with one, and checks the player's requests in the server's
/// log.
fn plays_the_first_entry_with_seeking(player: impl Fn() -> Command, ffmpeg: &Path) {
    let folder = Folder::new();
    let size = long_film(ffmpeg, &folder);
    for (credentials, query) in [(None, ""), (Some("me:secret"), "?key=...")] {
        let mut command = Program::serving(folder.path(), &[]);
        command.envs(credentials.map(|credentials| ("FILMSTRIP_AUTH", credentials)));
        let program = Program::with_log(command);
        let user = credentials.map_or_else(String::new, |credentials| format!("{credentials}@"));
        let playlist = format!("http://{user}{}/playlist.m3u", program.address);
        let output = player().arg(playlist).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}\n{}", program.log());
        let asked = format!("\"GET /video/1%20%C3%A9t%C3%A9.mp4{query} HTTP/1.1\" ");
        // At 50 of 60 seconds, about a sixth of the film is left.
        let from_the_middle = |line: &str| {
            let asked = line.split_once(&asked).and_then(|(_, rest)| rest.strip_prefix("206 "));
            let due = asked.and_then(|rest| rest.split(' ').next()?.split_once('/')?.1.parse().ok());
            due.is_some_and(|due: u64| (size / 12..size / 2).contains(&due))
        };
        eventually("the player requested the part from its start position on", || {
            program.log().lines().any(from_the_middle)
        });
        assert!(!program.log().contains(&format!("{asked}401")), "{}", program.log());
    }

    // With a password, the segments of HLS are requested with the key, from the one at 48 seconds on.
    let folder = stream(ffmpeg);
    let mut command = Program::serving(folder.path(), &[]);
    command.env("FILMSTRIP_AUTH", "me:secret");
    let program = Program::with_log(command);
    let playlist = format!("http://me:secret@{}/playlist.m3u", program.address);
    let output = player().arg(playlist).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}\n{}", program.log());
    let asked = |number: u32| program.log().contains(&format!("/video/;key=.../Stream/film{number}.ts HTTP/1.1\" 20"));
    eventually("the player requested the part from its start position on", || asked(12));
    assert!(!asked(6) && !program.log().contains("/video/Stream/film12.ts"), "{}", program.log());
}

#[test]
fn mpv_opens_the_playlist_and_seeks_in_its_first_entry() {
    let (Some(mpv), Some(ffmpeg)) = (find_program("mpv", "mpv"), find_program("ffmpeg", "ffmpeg")) else { return };
    let player = || {
        let mut player = Command::new(&mpv);
        player.args(["--no-config", "--no-terminal", "--vo=null", "--ao=null", "--start=50", "--frames=10"]);
        player
    };
    plays_the_first_entry_with_seeking(player, &ffmpeg);
}

#[test]
fn vlc_opens_the_playlist_and_seeks_in_its_first_entry() {
    let (Some(vlc), Some(ffmpeg)) = (find_program("cvlc", "vlc-bin vlc-plugin-base"), find_program("ffmpeg", "ffmpeg"))
    else {
        return;
    };
    let Some(setpriv) = find_program("setpriv", "util-linux") else { return };
    let player = || {
        // VLC refuses to run as root.
        let mut player = if rustix::process::geteuid().is_root() {
            let mut player = Command::new(&setpriv);
            player.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&vlc).env("HOME", "/nonexistent");
            player
        } else {
            Command::new(&vlc)
        };
        player.args(["--vout=dummy", "--aout=dummy", "--no-video-title-show", "--start-time=50", "--run-time=1"]);
        player.args(["--play-and-exit"]);
        player
    };
    plays_the_first_entry_with_seeking(player, &ffmpeg);
}
