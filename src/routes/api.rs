//! The route of the API.

use super::Site;
use super::listings::{Depth, Format};
use crate::api;
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::representation::conditional;

impl Site {
    /// `/api/videos`: all videos as JSON.
    pub(super) fn api(&self, head: &Head<'_>) -> Response {
        let body = self.listing_as(Format::Json, Depth::Tree, b"", |listing| api::json(&listing.videos, &self.urls));
        match body {
            Ok(body) => conditional(body.etag(""), head, || {
                let response = Response::new(200, Body::Shared(body, String::new()));
                response.with("Content-Type", "application/json")
            }),
            Err(error) => self.error_response(&error, b""),
        }
    }
}
