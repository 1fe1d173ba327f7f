//! Follows every URL that the pages, scripts, manifest, playlist and API contain, as a browser or a player would.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use crate::support::{Answer, Client};

/// The paths of all URLs, by where they were found: `a href`, `import`, `playlist`.
pub type Found = BTreeMap<String, BTreeSet<String>>;

/// Follows all URLs from the gallery at `root`, which ends with a slash. Panics if one leads out of `root` or to
/// another host, or isn't answered 200.
pub fn crawl(address: SocketAddr, root: &str) -> Found {
    let mut found = Found::new();
    // What only scripts ask for, and what links to the gallery alone.
    let seeds = ["", "api/videos", "watch/none.mp4"].map(|path| format!("{root}{path}"));
    let mut known = BTreeSet::from(seeds.clone());
    let mut queue = VecDeque::from(seeds);
    let mut client = Client::connect(address);
    while let Some(target) = queue.pop_front() {
        let answer = client.ask(&target);
        assert_eq!(answer.status, if target.ends_with("/none.mp4") { 404 } else { 200 }, "{target}");
        for (place, link) in links(&target, &answer) {
            let path = resolve(&target, &link, address);
            assert!(path.starts_with(root), "{target}: {place} leads out: {link}");
            // The start of the addresses of films, by which the gallery knows those of its folder.
            if place != "section data-below" && known.insert(path.clone()) {
                queue.push_back(path.clone());
            }
            found.entry(place).or_default().insert(path);
        }
    }
    found
}

/// Where in an answer each URL stands, and the URL.
fn links(target: &str, answer: &Answer) -> Vec<(String, String)> {
    let at = |place: &str, link: &str| (place.to_owned(), link.to_owned());
    match answer.field("content-type").unwrap().split(';').next().unwrap() {
        "text/html" => attributes(answer.text()),
        "text/javascript" => {
            let imports = |line: &str| {
                let quoted = line.strip_prefix("import ")?.rsplit(['\'', '"']).nth(1)?.to_owned();
                Some(("import".to_owned(), quoted))
            };
            // A URL that it makes must start with the site's root, which only the browser knows.
            let is_path = |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase() || c == '?');
            let has_path = |quote: &str| answer.text().split(quote).skip(1).any(is_path);
            assert!(!["'/", "\"/", "`/"].into_iter().any(has_path), "{target}: a URL starts at /");
            answer.text().lines().filter_map(imports).collect()
        }
        "application/manifest+json" => {
            let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let icons = json["icons"].as_array().unwrap().iter().map(|icon| &icon["src"]);
            let icons = icons.map(|icon| at("manifest icon", icon.as_str().unwrap()));
            icons.chain([at("manifest start", json["start_url"].as_str().unwrap())]).collect()
        }
        "application/json" => {
            let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let mut links = Vec::new();
            for video in json.as_array().unwrap() {
                links.push(at("api url", video["url"].as_str().unwrap()));
                links.push(at("api watch", video["watch"].as_str().unwrap()));
                let subtitles = video["subtitles"].as_array().unwrap().iter();
                links.extend(subtitles.map(|track| at("api subtitles", track["url"].as_str().unwrap())));
            }
            links
        }
        "audio/x-mpegurl" => {
            let lines = answer.text().lines();
            let links = lines.flat_map(|line| match line.strip_prefix("#EXTVLCOPT:input-slave=") {
                Some(urls) => urls.split('#').map(|url| at("playlist subtitles", url)).collect(),
                None if line.starts_with('#') => Vec::new(),
                None => vec![at("playlist", line)],
            });
            links.inspect(|(_, link)| assert!(link.contains("://"), "{target}: {link}")).collect()
        }
        _ => Vec::new(),
    }
}

/// The attributes of a page that hold URLs: `href`, `src`, `poster`, and data for scripts.
fn attributes(html: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for element in html.split('<').skip(1) {
        let element = element.split('>').next().unwrap_or_default();
        let tag = element.split_whitespace().next().unwrap_or_default();
        let mut rest = element;
        while let Some((before, after)) = rest.split_once("=\"") {
            let name = before.rsplit(char::is_whitespace).next().unwrap_or_default();
            let (value, after) = after.split_once('"').unwrap();
            let is_path = value.contains("://") || value.starts_with(['/', '.']);
            if matches!(name, "href" | "src" | "poster") || (name.starts_with("data-") && is_path) {
                found.push((format!("{tag} {name}"), value.replace("&#38;", "&")));
            }
            rest = after;
        }
    }
    found
}

/// The path and query of `link` in a document at `base` (RFC 3986 §5.2), on the same host.
fn resolve(base: &str, link: &str, host: SocketAddr) -> String {
    let link = link.split('#').next().unwrap_or_default();
    if link.contains("://") {
        let path =
            link.strip_prefix(&format!("http://{host}")).unwrap_or_else(|| panic!("{base}: another host: {link}"));
        return path.to_owned();
    }
    assert!(!link.starts_with("//"), "{base}: another host: {link}");
    let base = base.split('?').next().unwrap_or_default();
    match link.chars().next() {
        None => base.to_owned(),
        Some('/') => link.to_owned(),
        Some('?') => format!("{base}{link}"),
        Some(_) => {
            let (link, query) = link.split_at(link.find('?').unwrap_or(link.len()));
            let mut parts: Vec<&str> = base.split('/').collect();
            parts.pop();
            for part in link.split('/') {
                match part {
                    "." => {}
                    ".." => drop(parts.pop()),
                    part => parts.push(part),
                }
            }
            format!("{}{query}", parts.join("/"))
        }
    }
}
