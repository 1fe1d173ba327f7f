//! Reads Advanced SubStation Alpha (`.ass`) and SubStation Alpha (`.ssa`).
//!
//! Bold, italic, underlined and the alignment are kept; fonts, colors, exact positions, effects and drawings are not.

use std::collections::HashMap;

use super::markup::{Style, from_legacy};
use super::{Cue, time};

/// Whether this line tells that a file is SubStation.
pub fn is_substation(line: &str) -> bool {
    ["[Script Info]", "[V4", "[Events]", "Dialogue:"].iter().any(|start| line.starts_with(start))
}

/// The cues in the order of the file, which is often not that of their times.
pub fn cues(text: &str) -> Vec<Cue<'_>> {
    let is_legacy = text.contains("[V4 Styles]");
    let mut styles = HashMap::new();
    let mut styled = Vec::new();
    let mut spoken = columns("Layer,Start,End,Style,Name,MarginL,MarginR,MarginV,Effect,Text");
    let mut cues = Vec::new();
    for (kind, values) in text.split('\n').filter_map(|line| line.trim().split_once(':')) {
        match kind {
            "Format" if values.contains("Text") => spoken = columns(values),
            "Format" => styled = columns(values),
            "Style" => {
                let tags =
                    ["Bold", "Italic", "Underline"].map(|name| !matches!(field(&styled, name, values), "" | "0"));
                let place = field(&styled, "Alignment", values).parse().unwrap_or(0);
                let place = if is_legacy { from_legacy(place) } else { place };
                styles.insert(field(&styled, "Name", values), Style { is_substation: true, tags, place });
            }
            "Dialogue" => {
                let [start, end] = ["Start", "End"].map(|name| time(field(&spoken, name, values), 10));
                let (Some((start, ..)), Some((end, ..))) = (start, end) else { continue };
                let style = styles.get(field(&spoken, "Style", values)).copied();
                let style = style.unwrap_or(Style { is_substation: true, ..Style::default() });
                cues.push(Cue { start, end, content: field(&spoken, "Text", values), style });
            }
            _ => {}
        }
    }
    cues
}

/// The places of the columns that a `Format` line names.
fn columns(format: &str) -> Vec<&str> {
    // There are 23 at most.
    format.split(',').map(str::trim).take(64).collect()
}

/// The value in a column, or an empty one. The last is the text, which may have commas.
fn field<'v>(columns: &[&str], name: &str, values: &'v str) -> &'v str {
    let value = columns
        .iter()
        .position(|column| *column == name)
        .and_then(|place| values.splitn(columns.len(), ',').nth(place));
    // Some style names have a star where the style is defined, or where it is used.
    value.unwrap_or_default().trim().trim_start_matches('*')
}
