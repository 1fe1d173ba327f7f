//! A file as a representation (RFC 9110): whole, in parts, or not modified. It is opened, but not read here.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use crate::http::precondition::{Validators, Verdict, evaluate};
use crate::http::range::{Selection, select};
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::http::{Method, content_disposition, content_type, date};
use crate::library::OpenFile;

/// The response to a GET or HEAD of the open file `name`; `as_download` makes it an attachment.
pub fn respond(open: OpenFile, name: &Path, head: &Head<'_>, as_download: bool, now: SystemTime) -> Response {
    let validators = Validators::new(open.size, open.modified, now);
    let verdict = evaluate(&head.fields, &validators);
    if let Some(response) = precondition_response(verdict, &validators) {
        return response;
    }
    // Range is defined for GET only (§14.2).
    let range = head.fields.get("range").filter(|_| head.method == Method::Get && verdict == Verdict::Proceed);
    let content_type = content_type::of(name);
    let active = content_type::is_active(&content_type);
    let response = match range.map_or(Selection::Whole, |range| select(range, open.size)) {
        // §15.5.17.
        Selection::Unsatisfiable => {
            let sentence = format!("The file has {} bytes. The requested range is beyond its end.", open.size);
            let response = Response::text(416, sentence).with("Content-Range", format!("bytes */{}", open.size));
            return response.with("Accept-Ranges", "bytes");
        }
        Selection::Whole => Response::new(200, Body::Slice(open.file, 0..open.size)).with("Content-Type", content_type),
        Selection::Parts(parts) => match <[Range<u64>; 1]>::try_from(parts) {
            Ok([part]) => {
                let content_range = content_range(&part, open.size);
                let response = Response::new(206, Body::Slice(open.file, part)).with("Content-Type", content_type);
                response.with("Content-Range", content_range)
            }
            Err(parts) => multipart(open, parts, &content_type),
        },
    };
    let response = response.with("Accept-Ranges", "bytes");
    let response = if active { response.with("Content-Security-Policy", "sandbox") } else { response };
    let response = match as_download {
        true => response.with("Content-Disposition", content_disposition::attachment(name)),
        false => response,
    };
    with_validators(response, &validators)
}

/// The response that the preconditions call for instead of the representation, if any.
pub fn precondition_response(verdict: Verdict, validators: &Validators) -> Option<Response> {
    match verdict {
        Verdict::NotModified => Some(with_validators(Response::bodiless(304), validators)),
        Verdict::Failed => Some(Response::text(412, "The request is for another version of the file.")),
        Verdict::Proceed | Verdict::ProceedWithoutRange => None,
    }
}

/// Adds the fields for caches, the same on 200, 206 and 304 (§15.4.5): store it, and revalidate before each use.
pub fn with_validators(response: Response, validators: &Validators) -> Response {
    let response = response.with("ETag", validators.etag.clone()).with("Cache-Control", "no-cache");
    match validators.modified.and_then(date::format) {
        Some(modified) => response.with("Last-Modified", modified),
        None => response,
    }
}

/// The response to a GET or HEAD of a representation that has a tag and no date: what its preconditions call for, or
/// else `whole`.
pub fn conditional(etag: String, head: &Head<'_>, whole: impl FnOnce() -> Response) -> Response {
    let validators = Validators::of_tag(etag);
    precondition_response(evaluate(&head.fields, &validators), &validators)
        .unwrap_or_else(|| with_validators(whole(), &validators))
}

fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end - 1)
}

/// §14.6: parts with their own fields, between boundaries.
fn multipart(open: OpenFile, parts: Vec<Range<u64>>, content_type: &str) -> Response {
    // RFC 2046 §5.1.1. The chance that a file contains it is 2^-64.
    let boundary = format!("filmstrip-{:016x}", RandomState::new().build_hasher().finish());
    let mut line_end = "";
    let introduce = |part: Range<u64>| {
        let fields = format!("Content-Type: {content_type}\r\nContent-Range: {}", content_range(&part, open.size));
        let introduction = format!("{line_end}--{boundary}\r\n{fields}\r\n\r\n");
        line_end = "\r\n";
        (introduction, part)
    };
    let parts = parts.into_iter().map(introduce).collect();
    let body = Body::Slices(open.file, parts, format!("\r\n--{boundary}--\r\n"));
    Response::new(206, body).with("Content-Type", format!("multipart/byteranges; boundary={boundary}"))
}
