//! `/subtitles/`: files beside a film, converted to WebVTT.

use crate::support::{Answer, Client, Folder, Running};

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
        .with("large.srt", vec![b'x'; 8_000_001])
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
        let answer = Client::get(server.address, &format!("/subtitles/{name}.vtt"));
        assert_eq!((answer.status, answer.text()), (*status, want.as_str()), "{name}");
    }
    assert_eq!(Client::get(server.address, "/subtitles/film.srt").status, 404);

    let first = Client::get(server.address, "/subtitles/film.vtt");
    assert_eq!(first.field("content-type"), Some("text/vtt; charset=utf-8"));
    let tag = first.field("etag").unwrap();
    assert_ne!(Some(tag), Client::get(server.address, "/video/film.srt").field("etag"), "other bytes, another tag");
    let mut client = Client::connect(server.address);
    let again = client.request("GET", "/subtitles/film.vtt", &[("If-None-Match", tag)]);
    assert_eq!((again.status, again.field("etag")), (304, Some(tag)));
    let other = client.request("GET", "/subtitles/film.vtt", &[("If-Match", "\"other\"")]);
    assert_eq!(other.status, 412);
    let head = client.request("HEAD", "/subtitles/film.vtt", &[]);
    let dateless =
        |answer: &Answer| answer.fields.iter().filter(|(name, _)| name != "Date").cloned().collect::<Vec<_>>();
    assert_eq!(dateless(&head), dateless(&first));
}
