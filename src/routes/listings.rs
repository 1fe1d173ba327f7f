//! Listings, and the pages, JSON and playlists that are made of them: once for all clients who ask for the same at the
//! same time. What they are is decided by the library alone, never by a client.

use std::fmt;
use std::sync::Arc;

use super::Site;
use crate::http::shared_body::SharedBody;
use crate::library::listing::Listing;
use crate::library::path::parent;
use crate::library::{Identity, OpenError};
use crate::single_flight::SingleFlight;

/// How deep a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// One folder.
    Folder,
    /// A folder, and everything below it.
    Tree,
}

/// What is made of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Gallery,
    Json,
    Playlist,
}

/// The library's folder in its present state, so that a change in it is seen at once (in a folder below it, when the
/// listing is no longer kept); and what is listed.
pub type ListingKey = (Identity, Depth, Box<[u8]>);

/// An error for all who wait for the same listing.
pub type SharedError = Arc<OpenError>;

/// A listing, and the bodies that are made of it.
pub struct Listed {
    pub listing: Listing,
    bodies: SingleFlight<Format, Arc<SharedBody>, SharedError>,
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed").finish_non_exhaustive()
    }
}

impl Site {
    /// The listing of `folder`.
    pub(super) fn listing(&self, depth: Depth, folder: &[u8]) -> Result<Arc<Listed>, SharedError> {
        let key: ListingKey = (self.library.identity()?, depth, folder.into());
        let list = || {
            let listing = match depth {
                Depth::Folder => self.library.list(folder)?,
                Depth::Tree => self.library.walk(folder)?,
            };
            Ok(Arc::new(Listed { listing, bodies: SingleFlight::default() }))
        };
        self.listings.get(&key, list).unwrap_or_else(|| Err(OpenError::Busy.into()))
    }

    /// The listing of `folder` in a format, which `write` gives it.
    pub(super) fn listing_as(
        &self,
        format: Format,
        depth: Depth,
        folder: &[u8],
        write: impl Fn(&Listing) -> Vec<u8>,
    ) -> Result<Arc<SharedBody>, SharedError> {
        let listed = self.listing(depth, folder)?;
        let make = || Ok(self.bodies.share(write(&listed.listing)));
        match listed.bodies.get(&format, make) {
            // Other bodies have taken its room since it was made.
            Some(Ok(body)) if body.is_dropped() => make(),
            outcome => outcome.unwrap_or_else(|| Err(OpenError::Busy.into())),
        }
    }

    /// The listing of the folder of the video `name`, and the video's place in it.
    pub(super) fn listed_video(&self, name: &[u8]) -> Result<(Arc<Listed>, usize), SharedError> {
        let listed = self.listing(Depth::Folder, parent(name))?;
        let at = listed.listing.videos.iter().position(|video| video.name == name).ok_or(OpenError::NotFound)?;
        Ok((listed, at))
    }
}
