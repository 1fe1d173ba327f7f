//! Lists the videos of a folder, or of the tree below it, with their posters and subtitles.
//!
//! A listing costs one read of each folder and one `statat` for each video; it opens only playlists, to find masters.
//! It uses the library's handle, so that links out of the folder are not listed. Every listing ends: entries, depth and
//! time are limited ([`Limits`]), loops of links are detected, and omissions are reported ([`Omissions`]).

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant, SystemTime};

use cap_std::fs::{DirEntry, Metadata};

use super::kind::Kind;
use super::manifest::{self, Segments};
use super::omissions::Omission;
pub use super::omissions::Omissions;
use super::path::{self, base, join, parent, stem};
use super::pictures::Pictures;
use super::root::Root;
use super::sidecars::{Films, Sidecar, is_for_subtitles, sidecars_by_stem};
use super::{Library, OpenError, is_valid_name, open_served, order};
use crate::memory::map_if_large;

mod card;

/// A video, as defined in [`Library::list`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// Its path below the library's folder, with `/` between folders.
    pub name: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// The time when its content last changed; any date.
    pub modified: SystemTime,
    /// Whether it is the playlist or manifest that stands for its folder.
    pub is_folder: bool,
    /// The path of its poster: `film.jpg` beside `film.mp4`, or its folder's `poster.jpg`.
    pub poster: Option<Vec<u8>>,
    /// Its subtitles, in the order of their tags.
    pub subtitles: Vec<Sidecar>,
}

impl Video {
    /// What it is called: its name without folders and extension, or its folder's name if it stands for that.
    pub fn title(&self) -> &[u8] {
        match parent(&self.name) {
            folder if self.is_folder && !folder.is_empty() => base(folder),
            _ => path::title(&self.name),
        }
    }
}

/// A folder in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its path below the library's folder.
    pub name: Vec<u8>,
    /// The path of its picture, such as the `poster.jpg` in it.
    pub poster: Option<Vec<u8>>,
    /// How many videos a short look found below it.
    pub videos: usize,
    /// Whether the look ended at a limit, so that there may be more of them.
    pub has_more: bool,
}

/// A listing. Folders and videos are in the order that a person expects: whatever the case, and 2 before 10.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The folders in the folder that have videos below them. Empty for a walk of the tree.
    pub folders: Vec<Folder>,
    /// The videos in the folder or the tree. In a tree, a folder's subfolders come before its own videos.
    pub videos: Vec<Video>,
    /// The omissions.
    pub left_out: Omissions,
}

/// The limits of a listing.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Directory entries in all folders.
    pub entries: usize,
    /// Nesting of folders.
    pub depth: usize,
    /// Time, checked between entries: it doesn't interrupt a system call that hangs.
    pub time: Duration,
}

impl Default for Limits {
    /// Ten times what a large collection has.
    fn default() -> Self {
        Self { entries: 100_000, depth: 32, time: Duration::from_secs(5) }
    }
}

impl Library {
    /// Lists `folder`, a path below the library's folder; the empty path is the library's own.
    ///
    /// **A video** is a file mp4, m4v, mov, webm, mkv, avi, ogv, ogm, mpg, mpeg, vob, mts, m2ts, wmv, flv, divx, mxf,
    /// 3gp, or ts. An `.m3u8` or `.mpd` that no other one in its folder names stands for the files and folders that it
    /// names; they aren't listed.
    ///
    /// # Errors
    /// [`OpenError`], if there is no such folder or it is unreadable.
    pub fn list(&self, folder: &[u8]) -> Result<Listing, OpenError> {
        self.with_lister(Limits::default(), |lister| lister.list(folder))
    }

    /// Lists all videos in `folder` and below it. A folder with several names, by links, is walked once, by the name
    /// nearest to the top.
    ///
    /// # Errors
    /// [`OpenError`], if there is no such folder or it is unreadable. Unreadable folders below it are omitted.
    pub fn walk(&self, folder: &[u8]) -> Result<Listing, OpenError> {
        self.with_lister(Limits::default(), |lister| lister.walk(folder))
    }

    /// Whether a short look showed that there is no video. False where it ended at a limit first.
    pub(crate) fn is_empty(&self) -> bool {
        let short = Limits { entries: 1000, depth: 8, time: Duration::from_secs(2) };
        let listing = self.with_root(|root| Lister::new(root, short).walk(b""));
        listing.is_ok_and(|Listing { videos, left_out, .. }| {
            videos.is_empty() && !(left_out.too_many || left_out.too_slow || left_out.too_deep > 0)
        })
    }

    fn with_lister<T>(
        &self,
        limits: Limits,
        look: impl FnOnce(&mut Lister<'_>) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        self.with_root(|root| {
            let mut lister = Lister::new(root, limits);
            let outcome = look(&mut lister);
            self.reporter.report(&lister.omissions);
            outcome
        })
    }
}

/// A listing in progress, with its use of the limits.
struct Lister<'l> {
    root: Root<'l>,
    limits: Limits,
    entries: usize,
    until: Instant,
    left_out: Omissions,
    /// The first of what was left out, for the log.
    omissions: Vec<Omission>,
}

/// The names in a folder by kind, without the folder's path.
#[derive(Default)]
struct DirEntries {
    folders: Vec<Vec<u8>>,
    videos: Vec<MediaFile>,
    manifests: Vec<MediaFile>,
    pictures: Pictures,
    subtitles: Vec<Vec<u8>>,
}

/// A file that may be a video.
pub(super) struct MediaFile {
    pub(super) name: Vec<u8>,
    size: u64,
    modified: SystemTime,
}

/// What a name in a folder is.
enum Entry {
    Folder,
    /// With what is known of it, for a video.
    File(Option<Metadata>),
    Neither,
}

impl<'l> Lister<'l> {
    fn new(root: Root<'l>, limits: Limits) -> Self {
        let until = Instant::now() + limits.time;
        Self { root, limits, entries: 0, until, left_out: Omissions::default(), omissions: Vec::new() }
    }

    fn list(&mut self, folder: &[u8]) -> Result<Listing, OpenError> {
        let (folders, videos) = self.folder(folder)?;
        Ok(Listing { folders: self.cards(folders), videos, left_out: self.left_out })
    }

    fn walk(&mut self, folder: &[u8]) -> Result<Listing, OpenError> {
        /// A folder to list, or videos to append after the folders beside them.
        enum Ahead {
            Folder(Vec<u8>, usize),
            Videos(Vec<Video>),
        }
        let mut videos = Vec::new();
        let mut seen = HashSet::from([self.identity(folder)?]);
        let mut ahead = vec![Ahead::Folder(folder.to_vec(), 0)];
        while let Some(next) = ahead.pop() {
            let (name, depth) = match next {
                Ahead::Folder(name, depth) => (name, depth),
                Ahead::Videos(found) => {
                    videos.extend(found);
                    map_if_large(&mut videos);
                    continue;
                }
            };
            let (folders, found) = match self.folder(&name) {
                Ok(found) => found,
                Err(error) if depth == 0 => return Err(error),
                Err(error) => {
                    self.omit(name, error);
                    continue;
                }
            };
            ahead.push(Ahead::Videos(found));
            for name in folders.into_iter().rev() {
                match self.identity(&name) {
                    Ok(identity) if !seen.insert(identity) => {}
                    _ if depth == self.limits.depth => self.left_out.too_deep += 1,
                    // An error of `identity` shows again when the folder is read.
                    _ => ahead.push(Ahead::Folder(name, depth + 1)),
                }
            }
        }
        Ok(Listing { folders: Vec::new(), videos, left_out: self.left_out })
    }

    /// The folders and videos in a folder, with their paths, in natural order.
    fn folder(&mut self, folder: &[u8]) -> Result<(Vec<Vec<u8>>, Vec<Video>), OpenError> {
        let mut names = self.names(folder)?;
        self.remove_segments(folder, &mut names);
        let mut subtitles: Vec<Vec<u8>> = std::mem::take(&mut names.subtitles);
        // What is in `Subs` belongs to the films beside it. It is listed only if it has more.
        let (subs, mut folders): (Vec<_>, Vec<_>) = names.folders.drain(..).partition(|name| is_for_subtitles(name));
        if !subs.is_empty() {
            let films = Films::new(names.videos.iter().chain(&names.manifests).map(|file| &*file.name));
            folders.extend(subs.into_iter().filter(|name| self.subtitles_in(folder, name, &films, &mut subtitles)));
        }
        let folders = order::sort(folders, |name| name, |name| name);
        let videos = self.videos(folder, names, subtitles);
        Ok((folders.iter().map(|name| join(folder, name)).collect(), videos))
    }

    /// Appends the subtitles in the folder `subs` of `folder`, and in those in it that are called like a film. Returns
    /// whether there is more.
    fn subtitles_in(&mut self, folder: &[u8], subs: &[u8], films: &Films<'_>, subtitles: &mut Vec<Vec<u8>>) -> bool {
        let path = join(folder, subs);
        let names = match self.names(&path) {
            Ok(names) => names,
            Err(error) => {
                self.omit(path, error);
                return false;
            }
        };
        subtitles.extend(names.subtitles.iter().map(|file| join(subs, file)));
        let mut has_more = !names.videos.is_empty();
        for inner in names.folders {
            let is_films = !subs.contains(&b'/') && films.called(&inner).is_some();
            has_more |= !is_films || self.subtitles_in(folder, &join(subs, &inner), films, subtitles);
        }
        has_more
    }

    fn videos(&self, folder: &[u8], names: DirEntries, subtitles: Vec<Vec<u8>>) -> Vec<Video> {
        let mut found = names.videos;
        let is_folder = names.manifests.len() == 1;
        found.extend(names.manifests);
        let sidecars = match subtitles.is_empty() {
            true => HashMap::new(),
            false => sidecars_by_stem(folder, &Films::new(found.iter().map(|file| &*file.name)), subtitles),
        };
        // By stem first, so that `Film.mp4` comes before `Film 2.mp4`.
        let found = order::sort(found, |file| stem(&file.name), |file| &file.name);
        let video = |MediaFile { name, size, modified }| {
            let is_folder = is_folder && Kind::of(&name) == Kind::Manifest;
            let poster = names.pictures.of_film(folder, &name);
            let subtitles = sidecars.get(stem(&name)).cloned().unwrap_or_default();
            Video { name: join(folder, &name), size, modified, is_folder, poster, subtitles }
        };
        let mut videos = found.into_iter().map(video).collect();
        map_if_large(&mut videos);
        videos
    }

    /// Drops what the manifests in the folder name, and of the manifests those that don't stand for it.
    fn remove_segments(&mut self, folder: &[u8], names: &mut DirEntries) {
        if names.manifests.is_empty() {
            return;
        }
        let segments = self.segments(folder, &names.manifests);
        names.folders.retain(|name| !segments.contains(name));
        names.videos.retain(|file| !segments.contains(&file.name));
        let stands_alone = |file: &MediaFile| !segments.contains(&file.name);
        if names.manifests.iter().any(stands_alone) {
            names.manifests.retain(stands_alone);
        }
        // A folder has the same film for HLS and for DASH, and more players know HLS.
        let is_hls = |file: &MediaFile| file.name.to_ascii_lowercase().ends_with(b"u8");
        if names.manifests.iter().any(is_hls) {
            names.manifests.retain(is_hls);
        }
    }

    /// Reads a folder, within the limits.
    fn names(&mut self, folder: &[u8]) -> Result<DirEntries, OpenError> {
        if !folder.is_empty() && !is_valid_name(folder) {
            return Err(OpenError::NotFound);
        }
        let mut names = DirEntries::default();
        for entry in self.root.entries(folder)? {
            if self.limit_reached() {
                break;
            }
            let entry = entry?;
            let name = entry.file_name().into_vec();
            if is_valid_name(&name) {
                self.classify(&mut names, folder, name, &entry);
            }
        }
        Ok(names)
    }

    fn limit_reached(&mut self) -> bool {
        self.left_out.too_many |= self.entries == self.limits.entries;
        // Only every 64 entries, because reading the clock costs more than the rest of an entry.
        self.left_out.too_slow |= self.entries.is_multiple_of(64) && Instant::now() >= self.until;
        if !self.left_out.too_many {
            self.entries += 1;
        }
        self.left_out.too_many || self.left_out.too_slow
    }

    /// Counts what can't be listed. A link that leads nowhere, or what vanished since its name was read, is nothing.
    fn omit(&mut self, path: Vec<u8>, why: OpenError) {
        /// A page's worth; the log has no room for more.
        const REMEMBERED: usize = 64;
        match why {
            OpenError::NotFound => return,
            OpenError::OutsideRoot => self.left_out.refused_links += 1,
            _ => self.left_out.unreadable += 1,
        }
        if self.omissions.len() < REMEMBERED {
            self.omissions.push((path, why));
        }
    }

    /// Files whose kind doesn't matter here are passed over.
    fn classify(&mut self, names: &mut DirEntries, folder: &[u8], name: Vec<u8>, entry: &DirEntry) {
        let kind = Kind::of(&name);
        let metadata = match self.entry_kind(folder, &name, kind, entry) {
            Ok(Entry::Folder) => return names.folders.push(name),
            Ok(Entry::File(metadata)) => metadata,
            Ok(Entry::Neither) => return,
            Err(error) => return self.omit(join(folder, &name), error.into()),
        };
        let list = match kind {
            Kind::Other => return,
            Kind::Picture(_) => return names.pictures.add(name),
            Kind::Subtitles(_) => return names.subtitles.push(name),
            Kind::Video | Kind::TransportStream => &mut names.videos,
            Kind::Manifest => &mut names.manifests,
        };
        if let Some(metadata) = metadata
            && let Ok(modified) = metadata.modified()
        {
            list.push(MediaFile { name, size: metadata.len(), modified: modified.into_std() });
        }
    }

    /// What a name in `folder` leads to, with no more calls than its kind needs.
    fn entry_kind(&self, folder: &[u8], name: &[u8], kind: Kind, entry: &DirEntry) -> io::Result<Entry> {
        let file_type = entry.file_type()?;
        if file_type.is_dir() {
            return Ok(Entry::Folder);
        }
        if file_type.is_file() {
            return Ok(Entry::File(if kind.is_playable() { Some(entry.metadata()?) } else { None }));
        }
        // A link, or a file system that doesn't tell; the library's handle decides whether it leads out.
        let metadata = self.root.metadata(&join(folder, name))?;
        Ok(match metadata.file_type() {
            file_type if file_type.is_dir() => Entry::Folder,
            file_type if file_type.is_file() => Entry::File(Some(metadata)),
            _ => Entry::Neither,
        })
    }

    /// What `manifests` name. Those that can't be read name nothing.
    fn segments(&mut self, folder: &[u8], manifests: &[MediaFile]) -> Segments {
        let mut segments = Segments::default();
        let mut left = manifest::MAX_SIZE;
        for MediaFile { name, .. } in manifests {
            self.left_out.too_slow |= Instant::now() >= self.until;
            if self.left_out.too_slow {
                break;
            }
            if let Ok(open) = open_served(self.root, &join(folder, name)) {
                let mut text = Vec::new();
                // What was read before an error counts.
                let _ = open.file.take(left).read_to_end(&mut text);
                left -= text.len() as u64;
                segments.add(&text);
            }
        }
        segments
    }

    /// Device and inode of a folder, after all links.
    fn identity(&self, folder: &[u8]) -> Result<(u64, u64), OpenError> {
        use cap_std::fs::MetadataExt;
        let metadata = match folder {
            b"" => self.root.dir.dir_metadata()?,
            _ if !is_valid_name(folder) => return Err(OpenError::NotFound),
            _ => self.root.metadata(folder)?,
        };
        Ok((metadata.dev(), metadata.ino()))
    }
}

#[cfg(test)]
mod tests;
