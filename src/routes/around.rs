//! The routes of subtitles, playlists and the API.

use std::io::Read;
use std::time::SystemTime;

use super::Site;
use super::shared::{Answer, Form, Scope};
use crate::http::content_disposition;
use crate::http::precondition::{Validators, evaluate};
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::library::OpenError;
use crate::library::listing::path::as_path;
use crate::library::listing::{LeftOut, Listing};
use crate::representation::{instead, validated};
use crate::{api, playlist, subtitles};

impl Site {
    /// `/subtitles/<name>.vtt`: the file `<name>.vtt` or `<name>.srt` as WebVTT.
    pub(super) fn subtitles(&self, name: &[u8], head: &Head<'_>, now: SystemTime) -> Response {
        let none = || Response::text(404, "There are no such subtitles.");
        let Some(stem) = name.strip_suffix(b".vtt") else { return none() };
        let open = |extension: &[u8]| self.library.open_file(&[stem, extension].concat());
        let mut outcomes = [&b".vtt"[..], b".srt", b".VTT", b".SRT"].into_iter().map(open);
        let open = match outcomes.find(|outcome| !matches!(outcome, Err(OpenError::NotFound | OpenError::LeadsOut))) {
            None => return none(),
            Some(Err(error)) => return self.failed(&error, name),
            Some(Ok(open)) => open,
        };
        let validators = Validators::new(open.size, open.modified, now).of_derived(subtitles::REVISION);
        if let Some(response) = instead(evaluate(&head.fields, &validators), &validators) {
            return response;
        }
        let mut bytes = Vec::new();
        match open.file.take(subtitles::MAX_SIZE + 1).read_to_end(&mut bytes) {
            Err(error) => self.failed(&OpenError::Unavailable(error), name),
            Ok(read) if read as u64 > subtitles::MAX_SIZE => {
                Response::text(404, "The file is too large for subtitles. The original is under /video/.")
            }
            Ok(_) => {
                let body = Body::Bytes(subtitles::to_webvtt(&bytes).into_bytes().into());
                validated(Response::new(200, body).with("Content-Type", "text/vtt; charset=utf-8"), &validators)
            }
        }
    }

    /// `/playlist.m3u`: all videos, or with `?path=` those below a folder, or a single one.
    pub(super) fn playlist(&self, path: &[u8], head: &Head<'_>) -> Response {
        let host = head.authority;
        if host.is_empty() {
            return Response::text(400, "A playlist has absolute URLs. The request needs a Host field.");
        }
        let folder = path.strip_suffix(b"/").unwrap_or(path);
        let write = |listing: &Listing| {
            let names = listing.videos.iter().map(|video| &*video.name);
            Ok(playlist::m3u(host, names, &listing.left_out.to_string()).into_bytes())
        };
        let answer = match self.shared(Scope::Tree, Form::Playlist(host.to_owned()), folder, write) {
            Ok(answer) => answer,
            // There is no such folder, but there may be such a video.
            Err(error) if matches!(*error, OpenError::NotFound) => match self.library.open_file(path) {
                Ok(_) => Answer::new(playlist::m3u(host, [path], "").into_bytes().into(), LeftOut::default()),
                Err(error) => return self.failed(&error, path),
            },
            Err(error) => return self.failed(&error, folder),
        };
        // As an attachment, so that a browser hands it to a player.
        let file = [if folder.is_empty() { b"playlist" } else { folder }, b".m3u"].concat();
        let disposition = content_disposition::attachment(as_path(&file));
        answer.respond(head, |response| {
            response.with("Content-Type", playlist::CONTENT_TYPE).with("Content-Disposition", disposition)
        })
    }

    /// `/api/videos`: all videos as JSON.
    pub(super) fn api(&self, head: &Head<'_>) -> Response {
        let write =
            |listing: &Listing| api::json(&listing.videos).map_err(|error| OpenError::Unavailable(error.into()));
        match self.shared(Scope::Tree, Form::Json, b"", write) {
            Ok(answer) => answer.respond(head, |response| response.with("Content-Type", "application/json")),
            Err(error) => self.failed(&error, b""),
        }
    }
}
