//! `/playlist.m3u`: of the library, a folder or a video.

use crate::support::{Client, Folder, Running};

#[test]
fn a_playlist_has_the_library_a_folder_or_one_video() {
    let folder = Folder::new();
    let folder = ["b 10.mp4", "b 2.mp4", "S 1/e1.mkv", "S 1/x/e2.mkv", "notes.txt"]
        .into_iter()
        .fold(folder, |folder, name| folder.with(name, name));
    let server = Running::over(&folder);
    let titles = |query: &str| {
        let answer = Client::get(server.address, &format!("/playlist.m3u{query}"));
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
        assert_eq!(Client::get(server.address, &format!("/playlist.m3u?path={nothing}")).status, 404, "{nothing}");
    }
    for (query, want) in [("", "playlist.m3u"), ("?path=S%201/", "S 1.m3u"), ("?path=S%201/e1.mkv", "e1.mkv.m3u")] {
        let answer = Client::get(server.address, &format!("/playlist.m3u{query}"));
        let named = answer.field("content-disposition").unwrap();
        assert!(named.starts_with(&format!("attachment; filename=\"{want}\";")), "{named}");
    }
    let mut old = Client::connect(server.address);
    old.send("GET /playlist.m3u HTTP/1.0\r\n\r\n");
    assert_eq!(old.read("GET").status, 400, "without a host there are no absolute URLs");
}
