//! Classifies directory entries by name: a video, a part of one, a picture, subtitles, or nothing to list.

use super::path::extension;

/// The kind of a file, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Video,
    /// A recording, or a segment of HLS.
    TransportStream,
    /// A playlist of HLS or a manifest of DASH, which stands for its segments.
    Manifest,
    /// A picture; of several with the same stem, the lowest is used.
    Picture(usize),
    /// Subtitles; of several with the same stem, the lowest is used.
    Subtitles(usize),
    Other,
}

/// The extensions of subtitles, in order of preference.
pub const SUBTITLES: [&str; 4] = ["vtt", "srt", "ass", "ssa"];

const VIDEOS: [&str; 18] = [
    "mp4", "m4v", "mov", "webm", "mkv", "avi", "ogv", "ogm", "mpg", "mpeg", "vob", "mts", "m2ts", "wmv", "flv", "divx",
    "mxf", "3gp",
];
const PICTURES: [&str; 5] = ["jpg", "jpeg", "png", "webp", "avif"];

/// What systems leave on disks: recycle bins, snapshots, thumbnails and resource forks of Synology, QNAP, NetApp,
/// Windows, Linux and macOS.
const JUNK: &str = "#recycle/#snapshot/~snapshot/@recycle/@recently-snapshot/@eadir/@tmp/@sharebin/@__thumb/\
                    $recycle.bin/recycler/recycled/system volume information/found.000/lost+found/__macosx/\
                    network trash folder/temporary items";

/// Whether a component of a path is never served: dot files (which covers `.` and `..`), and junk.
pub fn is_hidden(component: &[u8]) -> bool {
    component.starts_with(b".") || JUNK.split('/').any(|junk| component.eq_ignore_ascii_case(junk.as_bytes()))
}

/// Whether an extension is in one of the [`spellings`].
fn is_spelt_usually(extension: &[u8]) -> bool {
    let rest = extension.get(1..).unwrap_or_default();
    !rest.iter().any(u8::is_ascii_uppercase) || !extension.iter().any(u8::is_ascii_lowercase)
}

/// How an extension may be written, so that a file can be found by its stem.
pub fn spellings(extension: &str) -> [String; 3] {
    let upper = extension.to_ascii_uppercase();
    [extension.to_owned(), format!("{}{}", &upper[..1], &extension[1..]), upper]
}

impl Kind {
    /// The kind of the file `name`.
    pub fn of(name: &[u8]) -> Self {
        let extension = extension(name).unwrap_or_default();
        let place = |known: &[&str]| known.iter().position(|known| extension.eq_ignore_ascii_case(known.as_bytes()));
        if place(&VIDEOS).is_some() {
            Self::Video
        } else if place(&["ts"]).is_some() {
            Self::TransportStream
        } else if place(&["m3u8", "mpd"]).is_some() {
            Self::Manifest
        } else if let Some(rank) = place(&PICTURES) {
            Self::Picture(rank)
        } else {
            place(&SUBTITLES).filter(|_| is_spelt_usually(extension)).map_or(Self::Other, Self::Subtitles)
        }
    }

    /// The rank among files that differ only in extension; the lowest is used.
    pub fn rank(name: &[u8]) -> usize {
        match Self::of(name) {
            Self::Picture(rank) | Self::Subtitles(rank) => rank,
            _ => 0,
        }
    }

    /// Whether there may be something to play in the file.
    pub fn is_playable(self) -> bool {
        matches!(self, Self::Video | Self::TransportStream | Self::Manifest)
    }
}
