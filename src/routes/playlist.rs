//! The route of playlists.

use std::sync::Arc;

use super::Site;
use super::listings::{Depth, Format, SharedError};
use crate::fingerprint;
use crate::http::content_disposition;
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::http::shared_body::{ORIGIN_MARK, SharedBody};
use crate::library::OpenError;
use crate::library::path::as_path;
use crate::playlist;
use crate::representation::conditional;

impl Site {
    /// `/playlist.m3u`: all videos, or with `?path=` those below a folder, or a single one.
    pub(super) fn playlist(&self, path: &[u8], head: &Head<'_>) -> Response {
        let host = head.authority;
        if host.is_empty() {
            return Response::text(400, "A playlist has absolute URLs. The request needs a Host field.");
        }
        let origin = format!("{}://{host}", if head.is_https { "https" } else { "http" });
        let folder = path.strip_suffix(b"/").unwrap_or(path);
        // As an attachment, so that a browser hands it to a player.
        let file = [if folder.is_empty() { b"playlist" } else { folder }, b".m3u"].concat();
        let with_fields = |response: Response| {
            response
                .with("Content-Type", playlist::CONTENT_TYPE)
                .with("Content-Disposition", content_disposition::attachment(as_path(&file)))
        };
        match self.playlist_of_folder(folder) {
            Ok(body) => {
                conditional(body.etag(&origin), head, || with_fields(Response::new(200, Body::Shared(body, origin))))
            }
            // There is no such folder, but there may be such a video.
            Err(error) if matches!(*error, OpenError::NotFound) => match self.playlist_of_video(path, &origin) {
                Ok(text) => conditional(fingerprint::etag(text.as_bytes()), head, || {
                    with_fields(Response::new(200, Body::Bytes(text.into_bytes().into())))
                }),
                Err(error) => self.error_response(&error, path),
            },
            Err(error) => self.error_response(&error, folder),
        }
    }

    fn playlist_of_folder(&self, folder: &[u8]) -> Result<Arc<SharedBody>, SharedError> {
        let origin = ORIGIN_MARK.to_string();
        self.listing_as(Format::Playlist, Depth::Tree, folder, |listing| {
            playlist::m3u(&origin, &self.urls, &listing.videos, &listing.omissions.to_string()).into_bytes()
        })
    }

    fn playlist_of_video(&self, name: &[u8], origin: &str) -> Result<String, SharedError> {
        let (listed, at) = self.listed_video(name)?;
        Ok(playlist::m3u(origin, &self.urls, &listed.listing.videos[at..=at], ""))
    }
}
