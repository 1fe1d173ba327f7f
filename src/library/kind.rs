//! What a file is to a listing, by its name alone: a video, a part of one, a picture, subtitles, or nothing.

use super::listing::path::extension;

/// The kind of a file, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Video,
    TransportStream,
    Playlist,
    /// A picture; of several for one film, the lowest is the poster.
    Poster(usize),
    /// Subtitles; of two with the same stem, the lower is used.
    Subtitles(usize),
    Other,
}

impl Kind {
    /// That of the file `name`.
    pub fn of(name: &[u8]) -> Self {
        const VIDEOS: [&[u8]; 11] =
            [b"mp4", b"m4v", b"mov", b"webm", b"mkv", b"avi", b"ogv", b"mpg", b"mpeg", b"m2ts", b"3gp"];
        const POSTERS: [&[u8]; 4] = [b"jpg", b"jpeg", b"png", b"webp"];
        const SUBTITLES: [&[u8]; 2] = [b"vtt", b"srt"];
        let Some(extension) = extension(name) else { return Self::Other };
        let place = |known: &[&[u8]]| known.iter().position(|known| extension.eq_ignore_ascii_case(known));
        if place(&VIDEOS).is_some() {
            Self::Video
        } else if place(&[b"ts"]).is_some() {
            Self::TransportStream
        } else if place(&[b"m3u8"]).is_some() {
            Self::Playlist
        } else if let Some(rank) = place(&POSTERS) {
            Self::Poster(rank)
        } else {
            // `/subtitles/` looks for these spellings only.
            let spelt = extension == extension.to_ascii_lowercase() || extension == extension.to_ascii_uppercase();
            place(&SUBTITLES).filter(|_| spelt).map_or(Self::Other, Self::Subtitles)
        }
    }

    /// The place among files that differ in their extension alone.
    pub fn rank(name: &[u8]) -> usize {
        match Self::of(name) {
            Self::Poster(rank) | Self::Subtitles(rank) => rank,
            _ => 0,
        }
    }
}
