//! Which of the files beside the films belongs to which film.

use std::collections::{HashMap, HashSet};
use std::iter::once;

use super::kind::Kind;
use super::listing::Sidecar;
use super::listing::path::{base, fold, join, parent, stem, title};
use super::order;
use crate::subtitles::label::{is_separator, is_tag};

/// Whether a folder of this name has the subtitles of the films beside it.
pub fn is_for_subtitles(folder: &[u8]) -> bool {
    [&b"subs"[..], b"sub", b"subtitles", b"subtitle"].iter().any(|name| folder.eq_ignore_ascii_case(name))
}

/// The subtitles of each film, by the film's stem. Their paths begin at the folder of the films.
pub fn sidecars_by_stem(
    folder: &[u8],
    films: &Films<'_>,
    mut subtitles: Vec<Vec<u8>>,
) -> HashMap<Vec<u8>, Vec<Sidecar>> {
    // `film.en.srt` beside `film.en.vtt` has the same URL; the WebVTT comes first, and counts.
    subtitles.sort_by_cached_key(|name| Kind::rank(name));
    let mut subtitles = order::sort(subtitles, |name| stem(name), |name| stem(name));
    subtitles.dedup_by(|next, kept| stem(next) == stem(kept));
    let mut by_stem: HashMap<Vec<u8>, Vec<Sidecar>> = HashMap::new();
    for path in subtitles {
        if let Some((film, tag)) = films.of(&path) {
            let sidecar = Sidecar { name: join(folder, &path), tag };
            by_stem.entry(film.to_vec()).or_default().push(sidecar);
        }
    }
    by_stem
}

/// The films of a folder, to find the one that a subtitle file belongs to.
pub struct Films<'f> {
    stems: HashSet<&'f [u8]>,
    /// Of those that differ only in case or normal form, the first.
    by_folded: HashMap<String, &'f [u8]>,
}

impl<'f> Films<'f> {
    /// The films with these names.
    pub fn new(names: impl Iterator<Item = &'f [u8]>) -> Self {
        let stems: HashSet<&[u8]> = names.map(stem).collect();
        let mut by_folded: HashMap<String, &[u8]> = HashMap::with_capacity(stems.len());
        for &film in &stems {
            let first = by_folded.entry(fold(film)).or_insert(film);
            *first = film.min(*first);
        }
        Self { stems, by_folded }
    }

    /// The film that is called `title`.
    pub fn called(&self, title: &[u8]) -> Option<&'f [u8]> {
        self.by_folded.get(&fold(title)).copied()
    }

    /// The film and the tag of the subtitles at `path`: `film.en.srt`, `Subs/film.en.srt`, `Subs/film/2_English.srt`,
    /// or, beside a single film, `Subs/2_English.srt`.
    fn of(&self, path: &[u8]) -> Option<(&'f [u8], String)> {
        let (folder, title) = (parent(path), title(path));
        let owner = if folder.contains(&b'/') {
            self.called(base(folder))
        } else {
            self.stems.iter().next().copied().filter(|_| self.stems.len() == 1 && !folder.is_empty())
        };
        let named = self.named_in(title).filter(|(film, _)| owner.is_none_or(|owner| owner == *film));
        named.or_else(|| owner.map(|owner| (owner, String::from_utf8_lossy(title).into_owned())))
    }

    /// The film whose name begins `title`, and the rest, the tag. Of several it is the longest: `film.en` is the
    /// English of `film`, unless there is a film `film.en`. After a dot or a bracket a tag may be anything. Otherwise it
    /// is only languages, marks and numbers, and no number after a blank: `Film 2` may be a sequel.
    fn named_in(&self, title: &[u8]) -> Option<(&'f [u8], String)> {
        let folded = fold(title);
        let ends = folded.char_indices().rev().filter(|(_, c)| is_separator(*c)).map(|(at, _)| at);
        let mut splits = once(folded.len()).chain(ends).map(|end| folded.split_at(end));
        let (film, tag) = splits.find_map(|(start, tag)| Some((*self.by_folded.get(start)?, tag)))?;
        let words = tag.trim_start_matches(is_separator);
        let gap = &tag[..tag.len() - words.len()];
        let is_free = tag.is_empty() || gap.contains(['.', '[', '(']);
        let is_sequel = gap.starts_with(char::is_whitespace) && words.starts_with(|c: char| c.is_ascii_digit());
        if !is_free && (is_sequel || !is_tag(words)) {
            return None;
        }
        // The tag as it is spelt, unless it was folded to another length.
        let (start, spelt) = title.split_at(title.len().saturating_sub(tag.len()));
        let (film, tag) = match fold(spelt) == tag {
            true => (self.stems.get(start).copied().unwrap_or(film), String::from_utf8_lossy(spelt)),
            false => (film, tag.into()),
        };
        Some((film, tag.trim_start_matches(is_separator).to_owned()))
    }
}

#[cfg(test)]
mod tests;
