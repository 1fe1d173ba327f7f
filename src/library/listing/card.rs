//! A folder in the listing of the folder above it, after a short look at what is in it.

use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use super::{Entry, Folder, Lister};
use crate::library::kind::{Kind, is_hidden};
use crate::library::path::join;
use crate::library::pictures::Pictures;

/// The bound of a look: entries below one folder, and time for all the folders of a listing.
const ENTRIES: usize = 1000;
const TIME: Duration = Duration::from_secs(1);

impl Lister<'_> {
    /// The folders `names`, without those that have no video below them.
    pub(super) fn cards(&self, names: Vec<Vec<u8>>) -> Vec<Folder> {
        let until = self.until.min(Instant::now() + TIME);
        names.into_iter().filter_map(|name| self.card(name, until)).collect()
    }

    fn card(&self, name: Vec<u8>, until: Instant) -> Option<Folder> {
        let mut pictures = Pictures::default();
        let mut look = Look { until, looked: 0, has_more: false };
        let videos = self.count_below(&name, &mut look, &mut pictures);
        let has_more = look.has_more;
        (videos > 0 || has_more).then(|| Folder { poster: pictures.of_folder(&name), name, videos, has_more })
    }

    /// Counts the videos below `folder`, by their names alone. Collects the pictures that are in it.
    ///
    /// The manifests in a folder count as one video. Transport streams beside or below them are their segments, and
    /// manifests below them are their variants: neither count.
    fn count_below(&self, folder: &[u8], look: &mut Look, pictures: &mut Pictures) -> usize {
        let mut videos = 0;
        let mut ahead = vec![(folder.to_vec(), false)];
        while let Some((inner, is_below_manifest)) = ahead.pop() {
            let Ok(entries) = self.root.entries(&inner) else {
                look.has_more = true;
                continue;
            };
            let (mut folders, mut streams, mut has_manifest) = (vec![], 0, false);
            for entry in entries {
                let (Ok(entry), false) = (entry, look.is_over()) else {
                    look.has_more = true;
                    break;
                };
                let name = entry.file_name().into_vec();
                let kind = Kind::of(&name);
                if is_hidden(&name) {
                    continue;
                }
                // Its size and date don't matter here.
                match self.entry_kind(&inner, &name, Kind::Other, &entry) {
                    Ok(Entry::Folder) => folders.push(join(&inner, &name)),
                    Ok(Entry::File(_)) => match kind {
                        Kind::Video => videos += 1,
                        Kind::TransportStream => streams += 1,
                        Kind::Manifest => has_manifest = true,
                        Kind::Picture(_) if inner == folder => pictures.add(name),
                        _ => {}
                    },
                    _ => {}
                }
            }
            videos += match (is_below_manifest, has_manifest) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => streams,
            };
            ahead.extend(folders.into_iter().map(|inner| (inner, is_below_manifest || has_manifest)));
            if look.has_more {
                break;
            }
        }
        videos
    }
}

/// A look in progress, with its use of the bound.
struct Look {
    until: Instant,
    looked: usize,
    has_more: bool,
}

impl Look {
    /// Whether it is at the bound before another entry.
    fn is_over(&mut self) -> bool {
        self.looked += 1;
        self.looked > ENTRIES || Instant::now() >= self.until
    }
}
