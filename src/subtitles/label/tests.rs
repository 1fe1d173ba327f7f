use super::*;
use oxilangtag::LanguageTag;
use proptest::prelude::*;
use std::collections::HashSet;

#[test]
fn every_tag_has_a_language_and_a_label() {
    let rows = [
        ("", "und", "Subtitles"),
        ("en", "en", "English"),
        ("EN", "en", "English"),
        ("eng", "en", "English"),
        ("English", "en", "English"),
        ("-en", "en", "English"),
        ("_eng", "en", "English"),
        (" en", "en", "English"),
        ("[en]", "en", "English"),
        (" (en)", "en", "English"),
        (" - English", "en", "English"),
        ("2_English", "en", "English"),
        ("English2", "en", "English"),
        (" - English subtitles.utf8", "en", "English"),
        ("pt-BR", "pt-BR", "Portuguese (Brazil)"),
        ("pt_br", "pt-BR", "Portuguese (Brazil)"),
        ("pt.br", "pt-BR", "Portuguese (Brazil)"),
        ("pob", "pt-BR", "Portuguese (Brazil)"),
        ("Brazilian Portuguese", "pt-BR", "Portuguese (Brazil)"),
        ("Portuguese (Brazil)", "pt-BR", "Portuguese (Brazil)"),
        ("portugu\u{ea}s_brasil", "pt-BR", "Portuguese (Brazil)"),
        ("pt-BR.forced", "pt-BR", "Portuguese (Brazil, forced)"),
        ("pt-AO", "pt-AO", "Portuguese (AO)"),
        ("Portuguese (AO)", "pt-AO", "Portuguese (AO)"),
        ("sv-SE", "sv-SE", "Swedish (SE)"),
        ("en.us", "en-US", "English (US)"),
        ("es-419", "es-419", "Spanish (Latin America)"),
        ("Spanish (Latin America)", "es-419", "Spanish (Latin America)"),
        ("zh-Hans", "zh-Hans", "Chinese (Simplified)"),
        ("zh-Hant-HK", "zh-Hant-HK", "Chinese (Traditional, HK)"),
        ("Chinese (Traditional, Hong Kong)", "zh-Hant", "Chinese (Traditional, Hong Kong)"),
        ("English (UK)", "en-GB", "English (UK)"),
        ("en-gb", "en-GB", "English (UK)"),
        ("por-BR", "pt-BR", "Portuguese (Brazil)"),
        ("Spanish (Peru)", "es", "Spanish (Peru)"),
        ("hi-IN", "hi-IN", "Hindi (IN)"),
        ("pa-Guru", "pa-Guru", "Punjabi (Guru)"),
        ("sr-Latn-RS.sdh", "sr-Latn-RS", "Serbian (Latn, RS, hearing impaired)"),
        ("en-thai", "th", "Thai (English)"),
        ("it.de", "de", "German (Italian)"),
        ("zh.tw", "zh-TW", "Chinese (Taiwan)"),
        ("tw", "und", "Subtitles (tw)"),
        ("zh-TW", "zh-TW", "Chinese (Taiwan)"),
        ("zh-yue", "yue", "Cantonese"),
        ("zh-yue-Hant", "yue-Hant", "Cantonese (Hant)"),
        ("chs", "zh-Hans", "Chinese (Simplified)"),
        ("cht", "zh-Hant", "Chinese (Traditional)"),
        ("chs&eng", "zh-Hans", "Chinese (Simplified)"),
        ("\u{7b80}\u{4f53}\u{4e2d}\u{6587}", "zh-Hans", "Chinese (Simplified)"),
        ("sr-Latn", "sr-Latn", "Serbian (Latn)"),
        ("ger", "de", "German"),
        ("deu", "de", "German"),
        ("Deutsch", "de", "German"),
        ("Swiss German", "gsw", "Swiss German"),
        ("gre", "el", "Greek"),
        ("espa\u{f1}ol", "es", "Spanish"),
        ("ESPAN\u{303}OL", "es", "Spanish"),
        ("Espanol", "es", "Spanish"),
        ("T\u{fc}rk\u{e7}e", "tr", "Turkish"),
        ("\u{420}\u{443}\u{441}\u{441}\u{43a}\u{438}\u{439}", "ru", "Russian"),
        ("\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}", "hi", "Hindi"),
        ("\u{65e5}\u{672c}\u{8a9e}", "ja", "Japanese"),
        ("tieng viet", "vi", "Vietnamese"),
        ("fil", "fil", "Filipino"),
        ("nb", "nb", "Norwegian Bokm\u{e5}l"),
        ("iw", "he", "Hebrew"),
        ("en.forced", "en", "English (forced)"),
        ("forced.en", "en", "English (forced)"),
        ("en-forced", "en", "English (forced)"),
        ("eng.SDH.forced", "en", "English (hearing impaired, forced)"),
        ("English (SDH)", "en", "English (hearing impaired)"),
        ("English [Hearing Impaired]", "en", "English (hearing impaired)"),
        ("en.cc", "en", "English (captions)"),
        ("en-cc", "en", "English (captions)"),
        ("hi", "hi", "Hindi"),
        ("hin", "hi", "Hindi"),
        ("en.hi", "en", "English (hearing impaired)"),
        ("en_hi", "en", "English (hearing impaired)"),
        ("hi.en", "en", "English (hearing impaired)"),
        ("hi.hi", "hi", "Hindi (hearing impaired)"),
        ("en.sdh.hi", "en", "English (hearing impaired)"),
        ("en.default", "en", "English"),
        ("en.2", "en", "English"),
        ("en (2)", "en", "English"),
        ("Director's cut.en", "en", "English (Director's cut)"),
        ("Part 2.en", "en", "English (Part 2)"),
        ("1080p.WEB-DL.H.264.en", "en", "English (1080p.WEB-DL.H.264)"),
        ("No.It.Is.True.en", "en", "English (Norwegian, Italian, Icelandic, True)"),
        ("sdh", "und", "Subtitles (hearing impaired)"),
        ("forced", "und", "Subtitles (forced)"),
        ("forced.sdh", "und", "Subtitles (forced, hearing impaired)"),
        ("xx", "und", "Subtitles (xx)"),
        ("1080p", "und", "Subtitles (1080p)"),
        ("<b>", "und", "Subtitles (b)"),
        ("2", "und", "Subtitles"),
        ("..", "und", "Subtitles"),
        ("en-", "en", "English"),
    ];
    for (tag, lang, name) in rows {
        let label = label(tag);
        assert_eq!((&label.lang[..], &label.label[..]), (lang, name), "{tag}");
    }
}

#[test]
fn details_are_what_is_said_beside_the_language() {
    let rows = [("pt-BR", ""), ("pt-BR.forced.x", "forced, x"), ("en.fr", "English"), ("forced", "forced"), ("", "")];
    for (tag, details) in rows {
        assert_eq!(label(tag).details, details, "{tag}");
    }
}

#[test]
fn no_two_tracks_have_the_same_label() {
    let all = |tags: &[&str]| labels(tags.iter().copied()).into_iter().map(|label| label.label).collect::<Vec<_>>();
    assert_eq!(all(&["en", "de", "eng", "en.2", "DE"]), ["English", "German", "English 2", "English 3", "German 2"]);
    assert_eq!(
        all(&["en.sdh", "en.hi", ""]),
        ["English (hearing impaired)", "English (hearing impaired) 2", "Subtitles"]
    );
    assert_eq!(
        all(&["Part", "a.Part", "Part.", "en", "English 2", "en"]),
        ["Subtitles (Part)", "Subtitles (a.Part)", "Subtitles (Part) 2", "English", "English 2", "English 3"]
    );
}

#[test]
fn the_language_at_the_end_of_a_name_is_found_without_the_films() {
    let rows = [
        ("film.ru", "ru"),
        ("Film (2010) - Russian", "ru"),
        ("2_Russian", "ru"),
        ("film.ru.forced.2", "ru"),
        ("film_pt_BR", "pt-BR"),
        ("film.zh-Hant", "zh-Hant"),
        ("Film [JPN] (SDH)", "ja"),
        ("No Man Is It.ru", "ru"),
        ("film.hi", "hi"),
        ("film.en.hi", "en"),
        ("film", "und"),
        ("The Italian Job", "und"),
        ("It Is the End", "und"),
        ("film.en.1080p", "und"),
        ("\u{fffd}", "und"),
        ("", "und"),
    ];
    for (stem, lang) in rows {
        assert_eq!(language(stem.as_bytes()), lang, "{stem}");
    }
}

#[test]
fn every_row_of_the_tables_is_found() {
    for (code, names) in LANGUAGES.split(", ").map(|row| row.split_once(' ').unwrap()) {
        assert!(names.starts_with(char::is_uppercase) && LanguageTag::parse(code).is_ok(), "{code}");
        for word in once(code).chain(names.split('/')) {
            let Label { lang, label, .. } = label(&format!(" {word}"));
            assert_eq!((&lang[..], &label[..]), (code, names.split('/').next().unwrap()), "{word}");
            assert_eq!(language(format!("film {word}").as_bytes()), code, "{word}");
        }
    }
}

#[test]
fn no_two_rows_of_the_tables_have_a_word_in_common() {
    let all = LANGUAGES.split(", ").flat_map(|row| {
        let (code, names) = row.split_once(' ').unwrap();
        once(code).chain(names.split('/'))
    });
    let words: Vec<String> =
        all.chain(MARKS.split([',', '/'])).map(|word| word.trim().to_lowercase().replace('-', " ")).collect();
    let unique: HashSet<_> = words.iter().collect();
    assert_eq!(unique.len(), words.len());
}

/// Text of the kind that file names are made of.
fn tag() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "en", "hi", "pt", "BR", "zh", "yue", "Hant", "419", "forced", "sdh", "Deutsch", "2", "2010", "x", "\u{130}",
        "e\u{301}", "\u{ff08}", ".", "-", "_", " ", "(", ")", "&", "'", "Latin", "America",
    ]);
    prop_oneof![prop::collection::vec(word, 0..24).prop_map(|words| words.concat()), any::<String>()]
}

proptest! {
    #[test]
    fn every_language_is_a_tag_and_every_label_is_unique(tags in prop::collection::vec(tag(), 0..12)) {
        let labels = labels(tags.iter().map(String::as_str));
        let unique: HashSet<_> = labels.iter().map(|label| &label.label).collect();
        prop_assert_eq!((labels.len(), unique.len()), (tags.len(), tags.len()));
        for label in &labels {
            let normal = LanguageTag::parse_and_normalize(&label.lang).unwrap();
            prop_assert_eq!(normal.as_str(), &label.lang);
            prop_assert!(!label.label.is_empty());
        }
        for tag in &tags {
            prop_assert!(LanguageTag::parse(language(tag.as_bytes())).is_ok());
        }
    }

    #[test]
    fn a_tag_of_known_words_has_no_details_of_its_own(tag in tag()) {
        let languages = LANGUAGES.split(", ").map(|row| row.split_once(' ').unwrap().1);
        let names: Vec<_> = languages.chain(MARKS.split(", ")).filter_map(|names| names.split('/').next()).collect();
        // A language beside the one that counts may have a region: "Portuguese (AO)".
        let is_known = |detail: &str| names.iter().any(|name| detail.starts_with(name)) || detail.ends_with(')');
        let details = label(&tag).details;
        prop_assert!(!is_tag(&tag) || details.is_empty() || details.split(", ").all(is_known), "{}", details);
    }
}
