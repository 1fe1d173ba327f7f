//! Labels of subtitles: `pt-BR.forced` in a file name is labelled "Portuguese (Brazil, forced)", and its language is
//! `pt-BR`. The first language in a tag is the language; `hi` after it is hearing impaired, and not Hindi. Parts that
//! are neither language nor mark are kept as they are.

use oxilangtag::LanguageTag;

#[derive(Debug, PartialEq, Eq)]
pub struct Label {
    /// The language as a BCP 47 tag, for `srclang`; `und` if unknown.
    pub lang: String,
    /// The language and its details, in English.
    pub label: String,
}

/// The languages of ISO 639-1 and a few more: BCP 47 code, codes of three letters in ISO 639-2 (for some there are
/// two), and common name. Crates with this table add a megabyte to the binary and overflow a worker's stack in a debug
/// build, or call Romanian "Moldavian, Moldovan".
const LANGUAGES: &str = "\
    aa aar Afar, ab abk Abkhazian, ae ave Avestan, af afr Afrikaans, ak aka Akan, am amh Amharic, \
    an arg Aragonese, ar ara Arabic, as asm Assamese, av ava Avaric, ay aym Aymara, az aze Azerbaijani, \
    ba bak Bashkir, be bel Belarusian, bg bul Bulgarian, bi bis Bislama, bm bam Bambara, bn ben Bengali, \
    bo bod/tib Tibetan, br bre Breton, bs bos Bosnian, ca cat Catalan, ce che Chechen, ch cha Chamorro, \
    cmn cmn Mandarin, co cos Corsican, cr cre Cree, cs ces/cze Czech, cu chu Church Slavic, cv chv Chuvash, \
    cy cym/wel Welsh, da dan Danish, de deu/ger German, dv div Dhivehi, dz dzo Dzongkha, ee ewe Ewe, \
    el ell/gre Greek, en eng English, eo epo Esperanto, es spa Spanish, et est Estonian, eu eus/baq Basque, \
    fa fas/per Persian, ff ful Fulah, fi fin Finnish, fil fil Filipino, fj fij Fijian, fo fao Faroese, \
    fr fra/fre French, fy fry Western Frisian, ga gle Irish, gd gla Scottish Gaelic, gl glg Galician, \
    gn grn Guarani, gsw gsw Swiss German, gu guj Gujarati, gv glv Manx, ha hau Hausa, haw haw Hawaiian, \
    he heb Hebrew, hi hin Hindi, ho hmo Hiri Motu, hr hrv Croatian, ht hat Haitian Creole, hu hun Hungarian, \
    hy hye/arm Armenian, hz her Herero, ia ina Interlingua, id ind Indonesian, ie ile Interlingue, ig ibo Igbo, \
    ii iii Sichuan Yi, ik ipk Inupiaq, io ido Ido, is isl/ice Icelandic, it ita Italian, iu iku Inuktitut, \
    ja jpn Japanese, jv jav Javanese, ka kat/geo Georgian, kg kon Kongo, ki kik Kikuyu, kj kua Kuanyama, \
    kk kaz Kazakh, kl kal Kalaallisut, km khm Khmer, kn kan Kannada, ko kor Korean, kr kau Kanuri, \
    ks kas Kashmiri, ku kur Kurdish, kv kom Komi, kw cor Cornish, ky kir Kirghiz, la lat Latin, \
    lb ltz Luxembourgish, lg lug Ganda, li lim Limburgan, ln lin Lingala, lo lao Lao, lt lit Lithuanian, \
    lu lub Luba-Katanga, lv lav Latvian, mg mlg Malagasy, mh mah Marshallese, mi mri/mao Maori, \
    mk mkd/mac Macedonian, ml mal Malayalam, mn mon Mongolian, mr mar Marathi, ms msa/may Malay, \
    mt mlt Maltese, my mya/bur Burmese, na nau Nauru, nb nob Norwegian Bokmål, nd nde North Ndebele, \
    nds nds Low German, ne nep Nepali, ng ndo Ndonga, nl nld/dut Dutch, nn nno Norwegian Nynorsk, \
    no nor Norwegian, nr nbl South Ndebele, nv nav Navajo, ny nya Nyanja, oc oci Occitan, oj oji Ojibwa, \
    om orm Oromo, or ori Oriya, os oss Ossetian, pa pan Punjabi, pi pli Pali, pl pol Polish, ps pus Pashto, \
    pt por Portuguese, qu que Quechua, rm roh Romansh, rn run Rundi, ro ron/rum Romanian, ru rus Russian, \
    rw kin Kinyarwanda, sa san Sanskrit, sc srd Sardinian, sd snd Sindhi, se sme Northern Sami, sg sag Sango, \
    sh hbs Serbo-Croatian, si sin Sinhala, sk slk/slo Slovak, sl slv Slovenian, sm smo Samoan, sn sna Shona, \
    so som Somali, sq sqi/alb Albanian, sr srp Serbian, ss ssw Swati, st sot Southern Sotho, su sun Sundanese, \
    sv swe Swedish, sw swa Swahili, ta tam Tamil, te tel Telugu, tg tgk Tajik, th tha Thai, ti tir Tigrinya, \
    tk tuk Turkmen, tl tgl Tagalog, tn tsn Tswana, to ton Tonga, tr tur Turkish, ts tso Tsonga, tt tat Tatar, \
    tw twi Twi, ty tah Tahitian, ug uig Uighur, uk ukr Ukrainian, ur urd Urdu, uz uzb Uzbek, ve ven Venda, \
    vi vie Vietnamese, vo vol Volapük, wa wln Walloon, wo wol Wolof, xh xho Xhosa, yi yid Yiddish, \
    yo yor Yoruba, yue yue Cantonese, za zha Zhuang, zh zho/chi Chinese, zu zul Zulu";

/// Codes in use for subtitles that are not, or no longer, in a standard.
const ALIASES: &[(&str, &str)] =
    &[("chs", "zh-Hans"), ("cht", "zh-Hant"), ("iw", "he"), ("pb", "pt-BR"), ("pob", "pt-BR")];

/// Marks that distinguish subtitles of one language, with their labels; `default` has none.
const MARKS: &[(&str, &str)] = &[
    ("forced", "forced"),
    ("sdh", "hearing impaired"),
    ("hi", "hearing impaired"),
    ("hoh", "hearing impaired"),
    ("cc", "captions"),
    ("default", ""),
];

/// Names of regions and scripts; others are shown as their code. (Crates have ISO 3166's official names, such as
/// "United Kingdom of Great Britain and Northern Ireland (the)".)
const PLACES: &str = "\
    419 Latin America, AR Argentina, AT Austria, AU Australia, BE Belgium, BR Brazil, CA Canada, CH Switzerland, \
    CL Chile, CN China, CO Colombia, DE Germany, ES Spain, FR France, GB United Kingdom, HK Hong Kong, IE Ireland, \
    IN India, IT Italy, LU Luxembourg, MO Macao, MX Mexico, NL Netherlands, NZ New Zealand, PE Peru, PT Portugal, \
    RS Serbia, SG Singapore, TW Taiwan, US United States, ZA South Africa, Cyrl Cyrillic, Hans Simplified, Hant \
    Traditional, Latn Latin";

/// The label of the subtitle `film.<tag>.srt`; `tag` is empty for `film.srt`.
pub fn label(tag: &str) -> Label {
    let mut language: Option<Spoken> = None;
    let mut details: Vec<String> = Vec::new();
    for part in tag.split('.').map(str::trim).filter(|part| !part.is_empty()) {
        let mark = MARKS.iter().find(|(mark, _)| mark.eq_ignore_ascii_case(part)).map(|(_, meaning)| *meaning);
        if language.is_none() && (mark.is_none() || part.eq_ignore_ascii_case("hi")) {
            language = Spoken::from_part(part);
            if language.is_some() {
                continue;
            }
        }
        details.push(mark.unwrap_or(part).to_owned());
    }
    details.retain(|detail| !detail.is_empty());
    let (lang, name) = match language {
        Some(Spoken { tag, name, places }) => {
            details.splice(0..0, places);
            (tag, name)
        }
        None if details.is_empty() => ("und".into(), "Subtitles".into()),
        None => ("und".into(), details.remove(0)),
    };
    let label = if details.is_empty() { name } else { format!("{name} ({})", details.join(", ")) };
    Label { lang, label }
}

/// A language with its region and script.
struct Spoken {
    tag: String,
    name: String,
    places: Vec<String>,
}

impl Spoken {
    /// Parses a BCP 47 tag, also with `_` for `-`, a code of three letters, or a language's English name.
    fn from_part(part: &str) -> Option<Self> {
        let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(part));
        let written = alias.map_or(part.replace('_', "-"), |(_, tag)| (*tag).to_owned());
        let parsed = LanguageTag::parse_and_normalize(&written).ok()?;
        let (code, name) = language(parsed.primary_language())?;
        let subtags: Vec<&str> = parsed.script().into_iter().chain(parsed.region()).collect();
        let name_of = |subtag: &&str| {
            let mut places = PLACES.split(", ").filter_map(|row| row.split_once(' '));
            places.find(|(code, _)| code == subtag).map_or(*subtag, |(_, name)| name).to_owned()
        };
        Some(Self {
            tag: std::iter::once(code).chain(subtags.iter().copied()).collect::<Vec<_>>().join("-"),
            name: name.to_owned(),
            places: subtags.iter().map(name_of).collect(),
        })
    }
}

/// The BCP 47 code and the English name of the language with the code or name `word`.
fn language(word: &str) -> Option<(&'static str, &'static str)> {
    LANGUAGES.split(", ").find_map(|row| {
        let (code, rest) = row.split_once(' ')?;
        let (codes, name) = rest.split_once(' ')?;
        let is_it =
            std::iter::once(code).chain(codes.split('/')).chain([name]).any(|known| known.eq_ignore_ascii_case(word));
        is_it.then_some((code, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_has_a_language_and_a_label() {
        let rows = [
            ("", "und", "Subtitles"),
            ("en", "en", "English"),
            ("EN", "en", "English"),
            ("eng", "en", "English"),
            ("English", "en", "English"),
            ("english", "en", "English"),
            ("pt-BR", "pt-BR", "Portuguese (Brazil)"),
            ("pt_br", "pt-BR", "Portuguese (Brazil)"),
            ("pob", "pt-BR", "Portuguese (Brazil)"),
            ("pt-BR.forced", "pt-BR", "Portuguese (Brazil, forced)"),
            ("pt-AO", "pt-AO", "Portuguese (AO)"),
            ("es-419", "es-419", "Spanish (Latin America)"),
            ("zh-Hans", "zh-Hans", "Chinese (Simplified)"),
            ("zh-Hant-HK", "zh-Hant-HK", "Chinese (Traditional, Hong Kong)"),
            ("cht", "zh-Hant", "Chinese (Traditional)"),
            ("ger", "de", "German"),
            ("deu", "de", "German"),
            ("gre", "el", "Greek"),
            ("fil", "fil", "Filipino"),
            ("nb", "nb", "Norwegian Bokm\u{e5}l"),
            ("iw", "he", "Hebrew"),
            ("en.forced", "en", "English (forced)"),
            ("forced.en", "en", "English (forced)"),
            ("en.sdh", "en", "English (hearing impaired)"),
            ("en.cc", "en", "English (captions)"),
            ("hi", "hi", "Hindi"),
            ("en.hi", "en", "English (hearing impaired)"),
            ("hi.hi", "hi", "Hindi (hearing impaired)"),
            ("en.default", "en", "English"),
            ("en.2", "en", "English (2)"),
            ("Director's cut.en", "en", "English (Director's cut)"),
            ("sdh", "und", "hearing impaired"),
            ("forced", "und", "forced"),
            ("xx", "und", "xx"),
            ("1080p", "und", "1080p"),
            ("<b>", "und", "<b>"),
            ("..", "und", "Subtitles"),
            ("en-", "und", "en-"),
        ];
        for (tag, lang, name) in rows {
            assert_eq!(label(tag), Label { lang: lang.into(), label: name.into() }, "{tag}");
        }
    }

    #[test]
    fn every_row_of_the_tables_is_found() {
        for row in LANGUAGES.split(", ") {
            let (code, name) = row.split_once(' ').map(|(code, rest)| (code, rest.split_once(' ').unwrap().1)).unwrap();
            assert_eq!(language(code), Some((code, name)));
            assert!(name.starts_with(char::is_uppercase) && LanguageTag::parse(code).is_ok(), "{row}");
        }
        for (alias, tag) in ALIASES {
            assert_eq!(Spoken::from_part(alias).map(|spoken| spoken.tag).as_deref(), Some(*tag), "{alias}");
        }
        for (code, name) in PLACES.split(", ").map(|row| row.split_once(' ').unwrap()) {
            assert_eq!(label(&format!("pt-{code}")).label, format!("Portuguese ({name})"));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_tag_makes_it_panic_and_every_language_is_a_tag(tag: String) {
            let label = label(&tag);
            proptest::prop_assert!(LanguageTag::parse(label.lang.as_str()).is_ok());
            proptest::prop_assert!(!label.label.is_empty());
        }
    }
}
