//! The routes of subtitles, playlists and the API.

use std::time::SystemTime;

use super::Site;
use super::shared::{Answer, Form, Scope};
use crate::http::content_disposition;
use crate::http::precondition::{Validators, evaluate};
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::library::OpenError;
use crate::library::kind;
use crate::library::listing::Listing;
use crate::library::path::{as_path, base};
use crate::representation::{instead, validated};
use crate::subtitles::{self, label};
use crate::{api, playlist};

impl Site {
    /// `/subtitles/<name>.vtt`: the file `<name>.vtt`, `.srt`, `.ass` or `.ssa` as WebVTT.
    pub(super) fn subtitles(&self, name: &[u8], head: &Head<'_>, now: SystemTime) -> Response {
        let none = || Response::text(404, "There are no such subtitles.");
        let Some(stem) = name.strip_suffix(b".vtt") else { return none() };
        let open = |extension: String| self.library.open_file(&[stem, b".", extension.as_bytes()].concat());
        let mut outcomes = kind::SUBTITLES.into_iter().flat_map(kind::spellings).map(open);
        let open = match outcomes.find(|outcome| !matches!(outcome, Err(OpenError::NotFound | OpenError::OutsideRoot)))
        {
            None => return none(),
            Some(Err(error)) => return self.failed(&error, name),
            Some(Ok(open)) if open.size > subtitles::MAX_SIZE => {
                return Response::text(404, "The file is too large for subtitles. The original is under /video/.");
            }
            Some(Ok(open)) => open,
        };
        let validators = Validators::new(open.size, open.modified, now).of_derived(subtitles::REVISION);
        if let Some(response) = instead(evaluate(&head.fields, &validators), &validators) {
            return response;
        }
        let language = label::language(base(stem));
        match self.converted(open, language, name) {
            Ok(body) => {
                let response = Response::new(200, Body::Bytes(body));
                validated(response.with("Content-Type", "text/vtt; charset=utf-8"), &validators)
            }
            Err(error) => self.failed(&error, name),
        }
    }

    /// `/playlist.m3u`: all videos, or with `?path=` those below a folder, or a single one.
    pub(super) fn playlist(&self, path: &[u8], head: &Head<'_>) -> Response {
        let host = head.authority;
        if host.is_empty() {
            return Response::text(400, "A playlist has absolute URLs. The request needs a Host field.");
        }
        let folder = path.strip_suffix(b"/").unwrap_or(path);
        let origin = format!("{}://{host}", if head.is_https { "https" } else { "http" });
        let write = |listing: &Listing| {
            Ok(playlist::m3u(&origin, &self.urls, &listing.videos, &listing.left_out.to_string()).into_bytes())
        };
        let answer = match self.shared(Scope::Tree, Form::Playlist(origin.clone()), folder, write) {
            Ok(answer) => answer,
            // There is no such folder, but there may be such a video.
            Err(error) if matches!(*error, OpenError::NotFound) => match self.listed_video(path) {
                Ok((listed, at)) => {
                    let text = playlist::m3u(&origin, &self.urls, &listed.listing.videos[at..=at], "");
                    Answer::new(text.into_bytes().into())
                }
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
        let write = |listing: &Listing| {
            api::json(&listing.videos, &self.urls).map_err(|error| OpenError::Unavailable(error.into()))
        };
        match self.shared(Scope::Tree, Form::Json, b"", write) {
            Ok(answer) => answer.respond(head, |response| response.with("Content-Type", "application/json")),
            Err(error) => self.failed(&error, b""),
        }
    }
}
