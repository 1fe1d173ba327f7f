//! The JSON of `/api/videos`.
//!
//! JSON can't hold a name in invalid UTF-8: its `name` is then approximate, but its `url` is exact.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::http::{content_type, date, target};
use crate::library::listing::Video;
use crate::library::path::{as_path, stem};
use crate::library::sidecars::Sidecar;
use crate::subtitles::label::{Label, labels};
use crate::urls::Urls;

/// A video in the JSON.
#[derive(Serialize)]
struct Entry<'v> {
    name: Cow<'v, str>,
    url: String,
    watch: String,
    size: u64,
    modified: String,
    #[serde(rename = "type")]
    content_type: Cow<'static, str>,
    subtitles: Vec<Subtitle>,
}

#[derive(Serialize)]
struct Subtitle {
    lang: String,
    label: String,
    url: String,
}

impl<'v> Entry<'v> {
    fn of(video: &'v Video, urls: &Urls) -> Self {
        let (prefix, path) = (&urls.prefix, target::encode(&video.name));
        Self {
            name: String::from_utf8_lossy(&video.name),
            url: urls.film(&video.name),
            watch: format!("{prefix}/watch/{path}"),
            size: video.size,
            modified: date::rfc3339(video.modified),
            content_type: content_type::of(as_path(&video.name)),
            subtitles: subtitles(&video.subtitles, urls),
        }
    }
}

fn subtitles(sidecars: &[Sidecar], Urls { prefix, key }: &Urls) -> Vec<Subtitle> {
    let url = |sidecar: &Sidecar| format!("{prefix}/subtitles/{}.vtt{key}", target::encode(stem(&sidecar.name)));
    let labels = labels(sidecars.iter().map(|sidecar| &*sidecar.tag));
    let with_label =
        |(sidecar, label): (_, Label)| Subtitle { lang: label.lang, label: label.label, url: url(sidecar) };
    sidecars.iter().zip(labels).map(with_label).collect()
}

/// The JSON of `videos`, with `urls`.
pub fn json(videos: &[Video], urls: &Urls) -> Vec<u8> {
    // About what an entry takes, so that the vector seldom grows.
    let size = videos.iter().map(|video| 3 * video.name.len() + 192).sum();
    let mut json = Vec::with_capacity(size);
    // Writing to a vector fails for no value of these types.
    let _ = serde_json::Serializer::new(&mut json).collect_seq(videos.iter().map(|video| Entry::of(video, urls)));
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_video_has_the_fields_of_the_contract() {
        let video = Video {
            name: b"a b/f\xff\"\n.mkv".to_vec(),
            size: 5_000_000_000,
            modified: UNIX_EPOCH - Duration::from_secs(1),
            is_folder: false,
            poster: None,
            subtitles: vec![Sidecar { name: b"a b/f\xff.pt-BR.SRT".to_vec(), tag: "pt-BR".into() }],
        };
        let want = concat!(
            r#"[{"name":"a b/f\u{fffd}\"\n.mkv","url":"/video/a%20b/f%FF%22%0A.mkv","#,
            r#""watch":"/watch/a%20b/f%FF%22%0A.mkv","#,
            r#""size":5000000000,"modified":"1969-12-31T23:59:59Z","type":"video/x-matroska","#,
            r#""subtitles":[{"lang":"pt-BR","label":"Portuguese (Brazil)","url":"/subtitles/a%20b/f%FF.pt-BR.vtt"}]}]"#
        );
        let got = String::from_utf8(json(&[video], &Urls::default())).unwrap();
        assert_eq!(got, want.replace("\\u{fffd}", "\u{fffd}"));
    }
}
