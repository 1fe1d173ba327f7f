//! Which of the files beside the films belongs to which film.

use std::collections::{HashMap, HashSet};

use super::kind::Kind;
use super::listing::path::{join, stem, title};
use super::listing::{Found, Sidecar};
use super::order;

/// Which subtitles belong to which film, by the film's stem. Of the films whose stem begins a name it is the longest:
/// `film.en.srt` is the English of `film.mp4`, unless there is a `film.en.mp4`.
pub fn sidecars_by_stem(
    folder: &[u8],
    videos: &[Found],
    mut subtitles: Vec<Vec<u8>>,
) -> HashMap<Vec<u8>, Vec<Sidecar>> {
    if subtitles.is_empty() {
        return HashMap::new();
    }
    let films: HashSet<&[u8]> = videos.iter().map(|file| stem(&file.name)).collect();
    // `film.en.srt` beside `film.en.vtt` has the same URL; the WebVTT comes first, and counts.
    subtitles.sort_by_cached_key(|name| Kind::rank(name));
    let mut subtitles = order::sort(subtitles, |name| stem(name), |name| name);
    subtitles.dedup_by(|next, kept| stem(next) == stem(kept));
    let mut by_stem: HashMap<Vec<u8>, Vec<Sidecar>> = HashMap::new();
    for name in subtitles {
        let base = title(&name);
        let dots = (0..base.len()).rev().filter(|&at| base[at] == b'.');
        let film = std::iter::once(base.len()).chain(dots).map(|end| &base[..end]).find(|start| films.contains(start));
        if let Some(film) = film {
            let tag = base[film.len()..].strip_prefix(b".").unwrap_or_default();
            let sidecar = Sidecar { name: join(folder, &name), tag: String::from_utf8_lossy(tag).into_owned() };
            by_stem.entry(film.to_vec()).or_default().push(sidecar);
        }
    }
    by_stem
}
