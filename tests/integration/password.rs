//! `--auth`: a password for everything but `/health`, and a key in the URLs of files for players that send none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::support::{self, Client, Folder, Program, Running, Session};

const CREDENTIALS: &str = "me:secret";

fn basic(credentials: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(credentials))
}

fn folder() -> Folder {
    Folder::new()
        .with("film.mp4", "film")
        .with("film.jpg", "poster")
        .with("film.en.srt", "1\n0:0:1,0 --> 0:0:2,0\nHi\n")
}

fn server(folder: &Folder) -> Running {
    Running::with(folder, |config| config.auth = Some(CREDENTIALS.parse().unwrap()))
}

/// The first URL in `text` that begins with `start`.
fn url<'t>(text: &'t str, start: &str) -> &'t str {
    let at = text.find(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    text[at..].split(['"', '\n', '#']).next().unwrap()
}

#[test]
fn everything_but_health_needs_the_password_and_the_key_opens_only_files() {
    let folder = folder();
    let server = server(&folder);
    let mut session = Session::first(server.address);
    let (right, wrong) = (basic(CREDENTIALS), basic("me:Secret"));
    let page = session.get("/watch/film.mp4", &[("Authorization", &right)]);
    let key = url(page.text(), "/video/film.mp4?").split_once("?key=").unwrap().1.to_owned();
    // With the password and with the key; without any it is 401, but for /health.
    let rows = [
        ("/health", 200, 200),
        ("/video/film.mp4", 200, 200),
        ("/video/film.jpg", 200, 200),
        ("/video/none.mp4", 404, 404),
        ("/video/none.m3u8", 404, 404),
        ("/subtitles/film.en.vtt", 200, 200),
        ("/", 200, 401),
        ("/watch/film.mp4", 200, 401),
        ("/playlist.m3u", 200, 401),
        ("/api/videos", 200, 401),
        ("/metrics", 200, 401),
        ("/assets/style.css", 200, 401),
        ("/favicon.ico", 200, 401),
        ("/nothing", 404, 401),
        ("/video", 404, 401),
    ];
    for (target, with_password, with_key) in rows {
        for method in ["GET", "HEAD"] {
            let mut ask = |target: &str, fields: &[(&str, &str)]| session.request(method, target, fields);
            let without = if target == "/health" { 200 } else { 401 };
            let refused = ask(target, &[]);
            assert_eq!(refused.status, without, "{method} {target}");
            let asked = refused.field("www-authenticate");
            assert_eq!(asked.is_some_and(|value| value.starts_with("Basic realm=")), without == 401, "{target}");
            assert_eq!(ask(target, &[("Authorization", &right)]).status, with_password, "{method} {target}");
            assert_eq!(ask(&format!("{target}?key={key}"), &[]).status, with_key, "{method} {target} with the key");
            let stale = format!("{target}?key=x{}", &key[1..]);
            assert_eq!(ask(&stale, &[]).status, without, "{method} {target} with a wrong key");
            assert_eq!(ask(&stale, &[("Authorization", &right)]).status, with_password, "{method} {target} with both");
        }
    }
    for target in ["/", "/video/film.mp4"] {
        assert_eq!(session.get(target, &[("Authorization", &wrong)]).status, 401, "{target}");
    }
    assert_eq!(session.request("OPTIONS", "/", &[]).status, 204, "a preflight has no credentials");
    assert_eq!(session.request("POST", "/", &[]).status, 405);
}

#[test]
fn the_urls_that_are_handed_out_need_no_password_and_are_the_same_after_a_restart() {
    let folder = folder();
    let handed_out = || {
        let server = server(&folder);
        let mut session = Session::first(server.address);
        let right = basic(CREDENTIALS);
        let mut get = |target: &str| session.get(target, &[("Authorization", &right)]).text().replace("&#38;", "&");
        let (gallery, watch, api, playlist) =
            (get("/"), get("/watch/film.mp4"), get("/api/videos"), get("/playlist.m3u"));
        let origin = format!("http://{}", server.address);
        let urls = [
            url(&gallery, "/video/film.jpg"),
            url(&watch, "/video/film.jpg"),
            url(&watch, "/video/film.mp4"),
            url(&watch, "/video/film.mp4?download"),
            url(&watch, "/subtitles/film.en.vtt"),
            url(&api, "/video/film.mp4"),
            url(&api, "/subtitles/film.en.vtt"),
            url(&playlist, &format!("{origin}/video/film.mp4")).strip_prefix(&origin).unwrap(),
            url(&playlist, &format!("{origin}/subtitles/film.en.vtt")).strip_prefix(&origin).unwrap(),
        ]
        .map(str::to_owned);
        for url in &urls {
            let answer = session.get(url, &[]);
            assert_eq!(answer.status, 200, "{url}");
            assert_eq!(answer.field("content-disposition").is_some(), url.contains("download"), "{url}");
        }
        assert!(url(&api, "/watch/film.mp4").ends_with(".mp4"), "pages are for those who have the password");
        urls
    };
    assert_eq!(handed_out(), handed_out());
}

#[test]
fn the_key_in_the_path_of_a_manifest_opens_its_segments() {
    let files = ["film.m3u8", "film.mpd", "low/film.m3u8", "seg.ts", "low/\u{e9} 1.ts"];
    let folder = files.iter().fold(Folder::new(), |folder, name| folder.with(format!("a b/{name}"), name));
    let server = Running::with(&folder, |config| {
        config.auth = Some(CREDENTIALS.parse().unwrap());
        config.route_prefix = "/films".parse().unwrap();
    });
    let mut session = Session::first(server.address);
    let right = basic(CREDENTIALS);
    let api = session.get("/films/api/videos", &[("Authorization", &right)]);
    let key = api.text().split_once("/films/video/;key=").unwrap().1.split_once('/').unwrap().0;
    let playlist = format!("/films/video/;key={key}/a%20b/film.m3u8");
    assert!(api.text().contains(&format!("\"{playlist}\"")), "{}", api.text());
    let mut get = |target: &str, fields: &[(&str, &str)]| session.get(target, fields);

    let beside = |name: &str| playlist.replace("film.m3u8", name);
    for name in ["film.m3u8", "film.mpd", "low/film.m3u8", "seg.ts"] {
        let answer = get(&beside(name), &[]);
        assert!(answer.status == 200 && answer.body == name.as_bytes(), "{name}: {}", answer.status);
    }
    assert_eq!(get(&beside("low/%C3%A9%201.ts"), &[("Range", "bytes=0-1")]).status, 206);
    assert_eq!(get(&format!("/films/video/a%20b/film.m3u8?key={key}"), &[]).status, 200);
    assert_eq!(get(&beside("none.ts"), &[]).status, 404);
    // It opens nothing else there, and no other key does.
    let wrong = format!("x{}", &key[1..]);
    for (target, with_password) in [
        (beside("seg.ts").replace(key, &wrong), 404),
        (beside("seg.ts").replace(key, ""), 404),
        (format!("/films/video/;key={key}"), 404),
        (format!("/films/watch/;key={key}/a%20b/film.m3u8"), 404),
        (format!("/films/;key={key}/"), 404),
        ("/films/video/a%20b/film.m3u8".into(), 200),
    ] {
        assert_eq!(get(&target, &[]).status, 401, "{target}");
        assert_eq!(get(&target, &[("Authorization", &right)]).status, with_password, "{target}");
    }
    assert_eq!(get(&format!("/films/video/;key={key}/../../api/videos"), &[]).status, 404);
}

#[test]
fn each_failure_is_logged_and_neither_password_nor_key_ever_is() {
    let folder = folder();
    let mut command = Program::serving(folder.path(), &[]);
    command.env("FILMSTRIP_AUTH", CREDENTIALS).env("RUST_LOG", "trace");
    let program = Program::with_log(command);
    let mut session = Session::first(program.address);
    let page = session.get("/watch/film.mp4", &[("Authorization", &basic(CREDENTIALS))]);
    let film = url(page.text(), "/video/film.mp4?").to_owned();
    let key = film.split_once("?key=").unwrap().1;
    for target in [
        &film,
        &format!("{film}&download"),
        &format!("/none?x=1&key={key}"),
        &format!("/video/a%zz?key={key}"),
        &format!("/video/;key={key}/film.mp4"),
        &format!("/video/a.mp4%3Fkey={key}"),
    ] {
        session.get(target, &[]);
    }
    let mut client = Client::connect(program.address);
    client.send(format!("GET {film} HTTP/1.1\r\nHost: nas\r\nbad line\r\n\r\n"));
    assert_eq!(client.read("GET").status, 400);
    for _ in 0..3 {
        session.get("/", &[("Authorization", &basic("me:guessed"))]);
    }
    support::eventually("all is logged", || program.log().matches(" \"GET / HTTP/1.1\" 401").count() == 3);
    let text = program.log();
    assert_eq!(text.matches("wrong user or password from 127.0.0.1").count(), 3, "{text}");
    assert_eq!(text.matches("?key=... ").count(), 3, "{text}");
    for secret in [key, "secret", "guessed", &BASE64_STANDARD.encode(CREDENTIALS)] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn a_thousand_wrong_passwords_cost_a_good_client_nothing() {
    let folder = folder();
    let server = server(&folder);
    let stop = AtomicBool::new(false);
    let (right, wrong) = (basic(CREDENTIALS), basic("me:guessed"));
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..100)
            .map(|_| {
                scope.spawn(|| {
                    let mut session = Session::first(server.address);
                    let tries = (0..10).take_while(|_| !stop.load(Ordering::Relaxed));
                    tries.map(|_| session.get("/", &[("Authorization", &wrong)]).status).all(|status| status == 401)
                })
            })
            .collect();
        // From the same address as they, and on new connections.
        let mut times: Vec<Duration> = (0..200)
            .map(|_| {
                let started = Instant::now();
                assert_eq!(Session::first(server.address).get("/", &[("Authorization", &right)]).status, 200);
                started.elapsed()
            })
            .collect();
        times.sort();
        assert!(times[190] < Duration::from_millis(500), "as if it were slowed down, too: {times:?}");
        stop.store(true, Ordering::Relaxed);
        assert!(attackers.into_iter().all(|attacker| attacker.join().unwrap()));
    });
}
