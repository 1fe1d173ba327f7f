//! Which of the files beside the films belongs to which film.

use std::collections::HashMap;
use std::iter::once;

use super::kind::Kind;
use super::order;
use super::path::{base, fold, join, parent, stem, title};
use crate::subtitles::label::{is_separator, is_tag};

/// A video's subtitle file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// Its path below the library's folder.
    pub name: Vec<u8>,
    /// The part between the film's name and the extension: `en`, `pt-BR.forced`, or nothing.
    pub tag: String,
}

/// Subtitle files of one video. Those whose tags sort first are kept.
pub const MAX_PER_VIDEO: usize = 64;

/// Whether a folder of this name has the subtitles of the films beside it.
pub fn is_for_subtitles(folder: &[u8]) -> bool {
    [&b"subs"[..], b"sub", b"subtitles", b"subtitle"].iter().any(|name| folder.eq_ignore_ascii_case(name))
}

/// The subtitles of each film, by the film's stem. Their paths begin at the folder of the films.
pub fn sidecars_by_stem(folder: &[u8], films: &Films<'_>, subtitles: Vec<Vec<u8>>) -> HashMap<Vec<u8>, Vec<Sidecar>> {
    let mut by_stem: HashMap<Vec<u8>, Vec<Sidecar>> = HashMap::new();
    for path in subtitles {
        if let Some((film, tag)) = films.of(&path) {
            by_stem.entry(film.to_vec()).or_default().push(Sidecar { name: join(folder, &path), tag });
        }
    }
    for tracks in by_stem.values_mut() {
        // `film.en.srt` beside `film.en.vtt` has the same URL; the WebVTT comes first, and counts.
        tracks.sort_by_cached_key(|track| (stem(&track.name).to_vec(), Kind::rank(&track.name)));
        tracks.dedup_by(|next, kept| stem(&next.name) == stem(&kept.name));
        *tracks = order::sort(std::mem::take(tracks), |track| track.tag.as_bytes(), |track| &track.name);
    }
    by_stem
}

/// Removes the subtitle files beyond [`MAX_PER_VIDEO`]; returns their number.
pub fn remove_extra(by_stem: &mut HashMap<Vec<u8>, Vec<Sidecar>>) -> usize {
    let mut removed = 0;
    for tracks in by_stem.values_mut() {
        removed += tracks.len().saturating_sub(MAX_PER_VIDEO);
        tracks.truncate(MAX_PER_VIDEO);
    }
    removed
}

/// The films of a folder, to find the one that a subtitle file belongs to.
pub struct Films<'f> {
    /// The stems by themselves, and folded. Of those that are folded alike, the first counts.
    stems: HashMap<String, &'f [u8]>,
    /// The only one.
    only: Option<&'f [u8]>,
}

impl<'f> Films<'f> {
    /// The films with these names.
    pub fn new(names: impl Iterator<Item = &'f [u8]> + Clone) -> Self {
        let mut stems: HashMap<String, &[u8]> = HashMap::new();
        for film in names.clone().map(stem) {
            let first = stems.entry(fold(film)).or_insert(film);
            *first = film.min(*first);
        }
        let only = stems.values().next().copied().filter(|_| stems.len() == 1);
        stems.extend(names.map(stem).map(|film| (String::from_utf8_lossy(film).into_owned(), film)));
        Self { stems, only }
    }

    /// The film that is called `title`.
    pub fn called(&self, title: &[u8]) -> Option<&'f [u8]> {
        self.stems.get(&fold(title)).copied()
    }

    /// The film and the tag of the subtitles at `path`: `film.en.srt`, `Subs/film.en.srt`, `Subs/film/2_English.srt`,
    /// or, beside a single film, `Subs/2_English.srt`.
    fn of(&self, path: &[u8]) -> Option<(&'f [u8], String)> {
        let (folder, title) = (parent(path), String::from_utf8_lossy(title(path)));
        let owner = match folder.contains(&b'/') {
            true => self.called(base(folder)),
            false => self.only.filter(|_| !folder.is_empty()),
        };
        let named = self.named_in(&title).filter(|(film, _)| owner.is_none_or(|owner| owner == *film));
        named.or_else(|| Some((owner?, title.into_owned())))
    }

    /// The film whose name begins `title`, and the rest, the tag. Of several it is the longest: `film.en` is the
    /// English of `film`, unless there is a film `film.en`. Up to a dot or a bracket a tag is only languages, marks and
    /// numbers, and no number after a blank: `Film 2` may be a sequel.
    fn named_in(&self, title: &str) -> Option<(&'f [u8], String)> {
        let folded = fold(title.as_bytes());
        let ends = |text| str::rmatch_indices(text, is_separator).map(|(at, _)| at);
        let mut splits = once((title.len(), folded.len())).chain(ends(title).zip(ends(&folded)));
        let (at, like) = splits.find_map(|(at, end)| Some((at, self.stems.get(&folded[..end])?)))?;
        let (spelt, tag) = title.split_at(at);
        let film = *self.stems.get(spelt).unwrap_or(like);
        let known = tag.split(['.', '[', '(']).next().unwrap_or(tag);
        let is_sequel =
            known.starts_with(' ') && known.trim_start_matches(is_separator).starts_with(|c: char| c.is_ascii_digit());
        (!is_sequel && is_tag(known)).then(|| (film, tag.trim_start_matches(is_separator).to_owned()))
    }
}

#[cfg(test)]
mod tests;
