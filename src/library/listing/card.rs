//! A folder in the listing of the folder above it, with the number of videos below it.

use std::os::unix::ffi::OsStringExt;

use cap_std::fs::{DirEntry, ReadDir};

use super::entries::{EntryKind, kind_in_directory};
use super::{Folder, Lister};
use crate::library::kind::{Kind, is_hidden};
use crate::library::path::join;
use crate::library::pictures::Pictures;

/// Directory entries that are counted below one folder.
const ENTRIES: usize = 1000;

/// The count of the videos below a folder.
#[derive(Default)]
struct Count {
    videos: usize,
    /// Directory entries that were read.
    entries: usize,
    /// Whether something below the folder wasn't read.
    has_more: bool,
}

/// The names in one folder by kind.
#[derive(Default)]
struct Contents {
    folders: Vec<Vec<u8>>,
    videos: usize,
    streams: usize,
    has_manifest: bool,
    pictures: Vec<Vec<u8>>,
}

impl Lister<'_> {
    /// The folders `names`, without those that have no video below them. A folder that can't be read in time has no
    /// count.
    pub(super) fn cards(&mut self, names: Vec<Vec<u8>>) -> Vec<Folder> {
        names.into_iter().filter_map(|name| self.card(name)).collect()
    }

    fn card(&mut self, name: Vec<u8>) -> Option<Folder> {
        let mut count = Count::default();
        let mut pictures = Pictures::default();
        self.count_below(&name, &mut count, &mut pictures);
        let Count { videos, has_more, .. } = count;
        (videos > 0 || has_more).then(|| Folder { poster: pictures.of_folder(&name), name, videos, has_more })
    }

    /// Counts the videos below `folder`, by their names alone. Collects the pictures that are in it.
    ///
    /// The manifests in a folder count as one video. Transport streams beside or below them are their segments, and
    /// manifests below them are their variants: neither count.
    fn count_below(&mut self, folder: &[u8], count: &mut Count, pictures: &mut Pictures) {
        let mut pending = vec![(folder.to_vec(), false)];
        while let Some((inner, is_below_manifest)) = pending.pop() {
            if self.is_late() {
                count.has_more = true;
                return;
            }
            let Ok(entries) = self.root.entries(&inner) else {
                count.has_more = true;
                continue;
            };
            let contents = self.contents(&inner, entries, count);
            if inner == folder {
                contents.pictures.into_iter().for_each(|picture| pictures.add(picture));
            }
            count.videos += contents.videos;
            count.videos += match (is_below_manifest, contents.has_manifest) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => contents.streams,
            };
            if self.omissions.too_slow || count.entries > ENTRIES {
                count.has_more = true;
                return;
            }
            let is_below_manifest = is_below_manifest || contents.has_manifest;
            pending.extend(contents.folders.into_iter().map(|inner| (inner, is_below_manifest)));
        }
    }

    /// Reads `folder`, up to the limit of `count`.
    fn contents(&mut self, folder: &[u8], mut entries: ReadDir, count: &mut Count) -> Contents {
        let mut contents = Contents::default();
        while let Some(entry) = self.next_entry(&mut entries) {
            count.entries += 1;
            if count.entries > ENTRIES {
                break;
            }
            let Ok(entry) = entry else {
                count.has_more = true;
                break;
            };
            self.add_to(&mut contents, folder, &entry);
        }
        contents
    }

    fn add_to(&mut self, contents: &mut Contents, folder: &[u8], entry: &DirEntry) {
        let name = entry.file_name().into_vec();
        if is_hidden(&name) {
            return;
        }
        match kind_in_directory(entry).or_else(|| self.kind_after_links(folder, &name)) {
            Some(EntryKind::Folder) => contents.folders.push(join(folder, &name)),
            Some(EntryKind::File) => contents.add_file(name),
            None => {}
        }
    }

    /// What the link `name` in `folder` leads to, if it can be found out in time.
    fn kind_after_links(&mut self, folder: &[u8], name: &[u8]) -> Option<EntryKind> {
        if self.is_late() {
            return None;
        }
        let metadata = self.root.metadata(&join(folder, name)).ok()?;
        EntryKind::of(metadata.file_type())
    }
}

impl Contents {
    fn add_file(&mut self, name: Vec<u8>) {
        match Kind::of(&name) {
            Kind::Video => self.videos += 1,
            Kind::TransportStream => self.streams += 1,
            Kind::Manifest => self.has_manifest = true,
            Kind::Picture(_) => self.pictures.push(name),
            Kind::Subtitles(_) | Kind::Other => {}
        }
    }
}
