//! The JSON of `/api/videos`.
//!
//! JSON can't hold a name in invalid UTF-8: its `name` is then approximate, but its `url` is exact.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::http::{content_type, date, target};
use crate::library::listing::path::{as_path, stem};
use crate::library::listing::{LeftOut, Sidecar, Video};
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
///
/// # Errors
/// None for these values; the type is `serde_json`'s.
pub fn json(videos: &[Video], urls: &Urls) -> serde_json::Result<Vec<u8>> {
    // About what an entry takes, so that the vector seldom grows.
    let size = videos.iter().map(|video| 3 * video.name.len() + 192).sum();
    let mut json = Vec::with_capacity(size);
    serde_json::Serializer::new(&mut json).collect_seq(videos.iter().map(|video| Entry::of(video, urls)))?;
    Ok(json)
}

/// The field that says what a listing left out, where there is anything to say.
pub const LEFT_OUT: &str = "Filmstrip-Left-Out";

/// Its value, a dictionary of RFC 9651 (§3.2): `unreadable=2, refused-links=1, too-many`.
pub fn left_out(left_out: &LeftOut) -> Option<String> {
    let counted = |count: usize, name| (count > 0).then(|| format!("{name}={count}"));
    let flagged = |is_set: bool, name: &str| is_set.then(|| name.to_owned());
    let members = [
        counted(left_out.unreadable, "unreadable"),
        counted(left_out.refused_links, "refused-links"),
        counted(left_out.too_deep, "too-deep"),
        flagged(left_out.too_many, "too-many"),
        flagged(left_out.too_slow, "too-slow"),
    ];
    (!left_out.is_nothing()).then(|| members.into_iter().flatten().collect::<Vec<_>>().join(", "))
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
        let got = String::from_utf8(json(&[video], &Urls::default()).unwrap()).unwrap();
        assert_eq!(got, want.replace("\\u{fffd}", "\u{fffd}"));
    }

    #[test]
    fn what_is_left_out_is_said_in_a_field_and_nothing_is_said_of_nothing() {
        assert_eq!(left_out(&LeftOut::default()), None);
        let some = LeftOut { unreadable: 2, refused_links: 1, ..LeftOut::default() };
        assert_eq!(left_out(&some).as_deref(), Some("unreadable=2, refused-links=1"));
        let rest = LeftOut { too_deep: 3, too_many: true, too_slow: true, ..LeftOut::default() };
        assert_eq!(left_out(&rest).as_deref(), Some("too-deep=3, too-many, too-slow"));
    }
}
