//! `--trust-proxy`: what reverse proxies tell of their clients is believed from them alone.

use crate::support::{self, Client, Folder, Program, Running, Session, film};

#[test]
fn playlists_have_the_origin_that_the_client_of_a_trusted_proxy_used() {
    let folder = Folder::new().with("film.mp4", "film").with("film.en.srt", "");
    type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let rows: [Row<'_>; 4] = [
        (&[], &[], "http://{host}/"),
        (&["127.0.0.0/8"], &[("X-Forwarded-Proto", "https")], "https://{host}/"),
        (
            &["127.0.0.1/32"],
            &[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "films.example")],
            "https://films.example/",
        ),
        (&["10.0.0.0/8"], &[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "films.example")], "http://{host}/"),
    ];
    for (trusted, fields, base) in rows {
        let server = Running::with(&folder, |config| {
            config.trust_proxy = trusted.iter().map(|network| network.parse().unwrap()).collect();
        });
        let mut session = Session::first(server.address);
        let playlist = session.get("/playlist.m3u", fields);
        let base = base.replace("{host}", &server.address.to_string());
        let urls = format!("input-slave={base}subtitles/film.en.vtt\n{base}video/film.mp4\n");
        assert!(playlist.text().ends_with(&urls), "{fields:?}: {}", playlist.text());
    }
}

#[test]
fn each_client_behind_a_trusted_proxy_has_the_limit_of_its_address() {
    let folder = Folder::new().with("film.mp4", film(20 << 20));
    let server = Running::with(&folder, |config| {
        config.max_connections_per_ip = 2;
        config.trust_proxy = ["127.0.0.1/32", "10.0.0.9/32"].map(|network| network.parse().unwrap()).into();
    });
    let ask = |client: &str| {
        let mut connection = Client::connect(server.address);
        connection.send(format!("GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\nX-Forwarded-For: {client}\r\n\r\n"));
        let head = connection.read_head().unwrap();
        (head.status, head.field("retry-after").is_some(), connection)
    };
    // What the client itself sent stands before what the proxy added.
    let mut streams: Vec<_> = ["10.0.0.1", "6.6.6.6, 10.0.0.1"].map(ask).into();
    assert!(streams.iter().all(|(status, ..)| *status == 200));
    let refused = ["7.7.7.7, 10.0.0.1", "10.0.0.1"].map(ask);
    assert!(refused.iter().all(|(status, retry, _)| (*status, *retry) == (503, true)));
    let mut session = Session::first(server.address);
    assert_eq!(session.request("HEAD", "/", &[("X-Forwarded-For", "10.0.0.1")]).status, 503);
    assert_eq!(session.get("/health", &[]).status, 200, "a body after the HEAD's response would be read as this one");
    assert_eq!(ask("10.0.0.2").0, 200);
    for proxy in ["127.0.0.1", "10.0.0.9"] {
        let held: Vec<_> = (0..4).map(|_| ask(proxy)).collect();
        assert!(held.iter().all(|(status, ..)| *status == 200), "the requests of {proxy} have no limit");
    }
    streams.pop();
    support::eventually("there is room again", || ask("10.0.0.1").0 == 200);
}

#[test]
fn the_log_has_the_client_behind_a_trusted_proxy() {
    let folder = Folder::new();
    let program = Program::with_log(Program::serving(folder.path(), &["--trust-proxy", "127.0.0.1"]));
    let mut session = Session::first(program.address);
    for client in ["10.0.0.7", "6.6.6.6, 10.0.0.8", "\" forged"] {
        assert_eq!(session.get("/health", &[("X-Forwarded-For", client)]).status, 200);
    }
    support::eventually("it is logged", || program.log().matches("/health").count() == 3);
    let clients: Vec<_> = program
        .log()
        .lines()
        .filter_map(|line| line.split_once("access] ")?.1.split_once(' '))
        .map(|(client, _)| client.to_owned())
        .collect();
    assert_eq!(clients[..2], ["10.0.0.7", "10.0.0.8"]);
    assert!(clients[2].starts_with("127.0.0.1:"), "{clients:?}");
}
