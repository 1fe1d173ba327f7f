//! Subtitles, playlists, the API, metrics and `--lan`, and the players and tools that use them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::support::{Answer, Client, Folder, Program, Running, eventually, find_program};

fn get(address: std::net::SocketAddr, target: &str, fields: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: nas:8000\r\n{fields}\r\n"));
    client.read("GET")
}

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
    let answer = get(server.address, "/playlist.m3u", "");
    assert_eq!(answer.field("content-type"), Some("audio/x-mpegurl"));
    let mut lines = answer.text().lines();
    assert_eq!(lines.next(), Some("#EXTM3U"));
    let mut found = Vec::new();
    while let Some(title) = lines.next() {
        let after = title.strip_prefix("#EXTINF:-1").expect("a title");
        assert!(after.starts_with([',', ' ']) && !title.contains(char::is_control), "{title:?}");
        let mut next = lines.next().unwrap();
        if let Some(subtitles) = next.strip_prefix("#EXTVLCOPT:input-slave=http://nas:8000") {
            assert_eq!(get(server.address, subtitles, "").status, 200, "{subtitles}");
            next = lines.next().unwrap();
        }
        let path = next.strip_prefix("http://nas:8000").expect("an address of this host");
        let film = get(server.address, path, "");
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
    let answer = get(server.address, "/api/videos", "");
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let videos: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(videos.len(), hostile_names().len());
    for video in &videos {
        let fields: Vec<_> = video.as_object().unwrap().keys().map(String::as_str).collect();
        let mut want = ["name", "url", "watch", "size", "modified", "type", "subtitles"];
        want.sort_unstable();
        assert_eq!(fields, want);
        let film = get(server.address, video["url"].as_str().unwrap(), "");
        assert_eq!(video["name"].as_str().unwrap(), String::from_utf8_lossy(&film.body));
        for subtitle in video["subtitles"].as_array().unwrap() {
            assert_eq!((&subtitle["lang"], &subtitle["label"]), (&"en".into(), &"English".into()));
            let text = get(server.address, subtitle["url"].as_str().unwrap(), "");
            let want = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nalert(1)\n\n";
            assert_eq!((text.status, text.text()), (200, want));
        }
    }
    let with_subtitles = videos.iter().filter(|video| video["subtitles"] != Value::Array(Vec::new())).count();
    assert_eq!(with_subtitles, videos.len() - 1);
}

#[test]
fn hostile_names_are_one_line_of_the_log_each_and_none_of_the_metrics() {
    let folder = hostile_folder();
    let log = folder.file("log");
    let mut command = Program::command();
    command.arg(folder.path()).args(["-p", "0"]).stderr(File::create(&log).unwrap());
    let program = Program::start_command(command);
    let before = get(program.address, "/metrics", "").text().lines().count();
    let videos: Vec<Value> = serde_json::from_slice(&get(program.address, "/api/videos", "").body).unwrap();
    for video in &videos {
        assert_eq!(get(program.address, video["url"].as_str().unwrap(), "").status, 200);
    }
    // The warning about a link that leads out of the folder contains its name, too.
    std::os::unix::fs::symlink("/etc/hostname", folder.file("out\n\x1b[31m.mp4")).unwrap();
    assert_eq!(get(program.address, "/video/out%0A%1B[31m.mp4", "").status, 404);
    assert_eq!(get(program.address, "/metrics", "").text().lines().count(), before);
    let mut text = String::new();
    eventually("every request is in the log", || {
        text = String::from_utf8(fs::read(&log).unwrap()).unwrap();
        text.lines().filter(|line| line.contains("\"GET /video/") && line.contains("\" 200 ")).count() == videos.len()
    });
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.lines().all(|line| line.starts_with('[')), "{text}");
}

#[test]
fn a_playlist_is_of_the_library_a_folder_or_a_video() {
    let folder = Folder::new();
    let folder = ["b 10.mp4", "b 2.mp4", "S 1/e1.mkv", "S 1/x/e2.mkv", "notes.txt"]
        .into_iter()
        .fold(folder, |folder, name| folder.with(name, name));
    let server = Running::over(&folder);
    let titles = |query: &str| {
        let answer = get(server.address, &format!("/playlist.m3u{query}"), "");
        assert_eq!(answer.status, 200, "{query}");
        let lines = answer.text().lines().filter_map(|line| line.strip_prefix("#EXTINF:-1"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let in_s1 = [r#" group-title="S 1/x",e2"#, r#" group-title="S 1",e1"#];
    assert_eq!(titles(""), [&in_s1[..], &[",b 2", ",b 10"]].concat());
    assert_eq!(titles("?path="), titles(""));
    assert_eq!(titles("?odd&path=&"), titles(""));
    assert_eq!(titles("?path=S%201"), in_s1);
    assert_eq!(titles("?path=S%201/"), titles("?path=S%201"));
    assert_eq!(titles("?path=S%201/e1.mkv"), in_s1[1..]);
    for nothing in ["notes.txt", "none", "S%202", "../x", "%2e%2e", "//", "b%202.mp4/", ".hidden", "%ff"] {
        assert_eq!(get(server.address, &format!("/playlist.m3u?path={nothing}"), "").status, 404, "{nothing}");
    }
    for (query, want) in [("", "playlist.m3u"), ("?path=S%201/", "S 1.m3u"), ("?path=S%201/e1.mkv", "e1.mkv.m3u")] {
        let answer = get(server.address, &format!("/playlist.m3u{query}"), "");
        let named = answer.field("content-disposition").unwrap();
        assert!(named.starts_with(&format!("attachment; filename=\"{want}\";")), "{named}");
    }
    let mut old = Client::connect(server.address);
    old.send("GET /playlist.m3u HTTP/1.0\r\n\r\n");
    assert_eq!(old.read("GET").status, 400, "without a host there are no absolute URLs");
}

#[test]
fn subtitles_are_found_converted_and_cached() {
    let srt = "1\r\n00:00:01,000 --> 00:00:02,000\r\n<font color=red>Hi</font>\r\n";
    let utf_16: Vec<u8> = std::iter::once(0xfeff).chain(srt.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let folder = Folder::new()
        .with("film.srt", utf_16)
        .with("film.pt-BR.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nfrom vtt\n")
        .with("film.pt-BR.srt", srt)
        .with("UPPER.SRT", srt)
        .with("Mixed.Srt", srt)
        .with("anime.ass", "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:02.00,{\\b1}Hi")
        .with("old.ssa", "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:02.00,Hi")
        // "Privet" in KOI8-R: two few letters to tell, without the name.
        .with("film.ru.srt", b"1\n00:00:01,000 --> 00:00:02,000\n\xf0\xd2\xc9\xd7\xc5\xd4\n")
        .with("subs/film.en.srt", srt)
        .with("large.srt", vec![b'x'; 20_000_001])
        .with("empty.srt", "");
    let server = Running::over(&folder);
    let cue = |text: &str| format!("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{text}\n\n");
    let rows = [
        ("film", 200, cue("<c.red>Hi</c>")),
        ("film.pt-BR", 200, "WEBVTT\n\n00:01.000 --> 00:02.000\nfrom vtt\n".into()),
        ("UPPER", 200, cue("<c.red>Hi</c>")),
        ("subs/film.en", 200, cue("<c.red>Hi</c>")),
        ("empty", 200, "WEBVTT\n\n".into()),
        ("none", 404, "There are no such subtitles.\n".into()),
        ("", 404, "There are no such subtitles.\n".into()),
        ("large", 404, "The file is too large for subtitles. The original is under /video/.\n".into()),
    ];
    for (name, status, want) in &rows {
        let answer = get(server.address, &format!("/subtitles/{name}.vtt"), "");
        assert_eq!((answer.status, answer.text()), (*status, want.as_str()), "{name}");
    }
    assert_eq!(get(server.address, "/subtitles/film.srt", "").status, 404);

    let first = get(server.address, "/subtitles/film.vtt", "");
    assert_eq!(first.field("content-type"), Some("text/vtt; charset=utf-8"));
    let tag = first.field("etag").unwrap();
    assert_ne!(Some(tag), get(server.address, "/video/film.srt", "").field("etag"), "other bytes, another tag");
    let again = get(server.address, "/subtitles/film.vtt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.field("etag")), (304, Some(tag)));
    let other = get(server.address, "/subtitles/film.vtt", "If-Match: \"other\"\r\n");
    assert_eq!(other.status, 412);
    let mut client = Client::connect(server.address);
    client.send("HEAD /subtitles/film.vtt HTTP/1.1\r\nHost: nas\r\n\r\n");
    let head = client.read("HEAD");
    let dateless =
        |answer: &Answer| answer.fields.iter().filter(|(name, _)| name != "Date").cloned().collect::<Vec<_>>();
    assert_eq!(dateless(&head), dateless(&first));
}

#[test]
fn the_api_reports_any_date() {
    let folder = Folder::new().with("old.mp4", "").with("new.mp4", "");
    let set =
        |name: &str, time| File::options().write(true).open(folder.file(name)).unwrap().set_modified(time).unwrap();
    set("old.mp4", UNIX_EPOCH - Duration::from_secs(1_000_000_000));
    set("new.mp4", UNIX_EPOCH + Duration::from_secs(10_000_000_000));
    let server = Running::over(&folder);
    let videos: Vec<Value> = serde_json::from_slice(&get(server.address, "/api/videos", "").body).unwrap();
    assert_eq!(videos[1]["modified"], "1938-04-24T22:13:20Z");
    // Some file systems can't store this date.
    if fs::metadata(folder.file("new.mp4")).unwrap().mtime() == 10_000_000_000 {
        assert_eq!(videos[0]["modified"], "2286-11-20T17:46:40Z");
    }
}

/// The value of a sample in the metrics.
fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).parse().unwrap()
}

#[test]
fn a_counter_moves_by_exactly_what_was_sent() {
    let folder = Folder::new().with("film.mp4", vec![7; 100_000]);
    let server = Running::over(&folder);
    let mut scraper = Client::connect(server.address);
    let mut scrape = || {
        scraper.send("GET /metrics HTTP/1.1\r\nHost: nas\r\n\r\n");
        scraper.read("GET").text().to_owned()
    };
    let first = scrape();
    let mut client = Client::connect(server.address);
    for (request, status) in [
        ("GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\n\r\n", 200),
        ("GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\nRange: bytes=10-19\r\n\r\n", 206),
        ("GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\nRange: bytes=100000-\r\n\r\n", 416),
        ("HEAD /video/film.mp4 HTTP/1.1\r\nHost: nas\r\n\r\n", 200),
    ] {
        client.send(request);
        let answer = client.read(request.split(' ').next().unwrap());
        assert_eq!(answer.status, status, "{request}");
    }
    drop(client);
    let unsatisfiable = "The file has 100000 bytes. The requested range is beyond its end.\n".len();
    let moved = |name: &str, now: &str, then: &str| sample(now, name) - sample(then, name);
    let mut now = scrape();
    let mut scrapes = first.len();
    // The last response is counted shortly after its last byte.
    eventually("four requests and the close are counted", || {
        scrapes += now.len();
        now = scrape();
        moved("filmstrip_closes_total{reason=\"client_closed\"}", &now, &first) == 1.0
    });
    let bytes = moved("filmstrip_sent_bytes_total", &now, &first);
    assert_eq!(bytes, (100_000 + 10 + unsatisfiable + scrapes) as f64);
    assert_eq!(moved("filmstrip_requests_total{class=\"4xx\"}", &now, &first), 1.0);
    assert_eq!(sample(&now, "filmstrip_connections{state=\"busy\"}"), 1.0, "the connection of the scrape");
    assert_eq!(sample(&now, "filmstrip_streams"), 0.0);
    let count = sample(&now, "filmstrip_time_to_first_byte_seconds_count");
    let requests = ["2xx", "3xx", "4xx", "5xx"]
        .map(|class| sample(&now, &format!("filmstrip_requests_total{{class=\"{class}\"}}")));
    assert_eq!(count, requests.iter().sum::<f64>());
}

#[test]
fn promtool_accepts_the_metrics() {
    let Some(promtool) = find_program("promtool", "prometheus") else { return };
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    get(server.address, "/video/film.mp4", "");
    let metrics = folder.file("metrics");
    fs::write(&metrics, get(server.address, "/metrics", "").body).unwrap();
    let checked =
        Command::new(promtool).args(["check", "metrics"]).stdin(File::open(metrics).unwrap()).output().unwrap();
    assert!(checked.status.success() && checked.stdout.is_empty() && checked.stderr.is_empty(), "{checked:?}");
}

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
    let log = folder.file("log");
    for (credentials, query) in [(None, ""), (Some("me:secret"), "?key=...")] {
        let mut command = Program::command();
        command.arg(folder.path()).args(["-p", "0"]).stderr(File::create(&log).unwrap());
        command.envs(credentials.map(|credentials| ("FILMSTRIP_AUTH", credentials)));
        let program = Program::start_command(command);
        let user = credentials.map_or_else(String::new, |credentials| format!("{credentials}@"));
        let playlist = format!("http://{user}{}/playlist.m3u", program.address);
        let output = player().arg(playlist).stdin(Stdio::null()).output().unwrap();
        let read = || fs::read_to_string(&log).unwrap();
        assert!(output.status.success(), "{output:?}\n{}", read());
        let asked = format!("\"GET /video/1%20%C3%A9t%C3%A9.mp4{query} HTTP/1.1\" ");
        // At 50 of 60 seconds, about a sixth of the film is left.
        let from_the_middle = |line: &str| {
            let asked = line.split_once(&asked).and_then(|(_, rest)| rest.strip_prefix("206 "));
            let due = asked.and_then(|rest| rest.split(' ').next()?.split_once('/')?.1.parse().ok());
            due.is_some_and(|due: u64| (size / 12..size / 2).contains(&due))
        };
        eventually("the player requested the part from its start position on", || read().lines().any(from_the_middle));
        assert!(!read().contains(&format!("{asked}401")), "{}", read());
    }

    // With a password, the segments of HLS are requested with the key, from the one at 48 seconds on.
    let folder = stream(ffmpeg);
    let log = folder.file("log");
    let mut command = Program::command();
    command.arg(folder.path()).args(["-p", "0"]).stderr(File::create(&log).unwrap()).env("FILMSTRIP_AUTH", "me:secret");
    let program = Program::start_command(command);
    let playlist = format!("http://me:secret@{}/playlist.m3u", program.address);
    let output = player().arg(playlist).stdin(Stdio::null()).output().unwrap();
    let read = || fs::read_to_string(&log).unwrap();
    assert!(output.status.success(), "{output:?}\n{}", read());
    let asked = |number: u32| read().contains(&format!("/video/;key=.../Stream/film{number}.ts HTTP/1.1\" 20"));
    eventually("the player requested the part from its start position on", || asked(12));
    assert!(!asked(6) && !read().contains("/video/Stream/film12.ts"), "{}", read());
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
    assert_eq!(get(address, "/health", "").status, 200, "the server answers at this address");
}

#[test]
fn lan_prints_nothing_but_addresses_to_a_pipe() {
    let folder = Folder::new();
    let mut command = Program::command();
    let log = folder.file("log");
    command.args(["--lan", "-p", "0"]).arg(folder.path()).stderr(File::create(&log).unwrap());
    let mut program = Program::start_command(command);
    assert_eq!(get(program.address, "/health", "").status, 200);
    program.signal(rustix::process::Signal::TERM);
    assert!(program.wait().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(program.child.stdout.as_mut().unwrap(), &mut rest).unwrap();
    assert!(rest.lines().all(|line| line.starts_with("http://") && line.ends_with('/')), "{rest}");
    assert!(
        fs::read_to_string(log).unwrap().contains("Everyone on this network"),
        "the log warns that the folder is public"
    );
}
