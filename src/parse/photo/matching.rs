//! Pure. Whose photo is which: by the file that the person's photo column names, else by a file that is named after the employee id.
//!
//! Case does not count, nor do folders, nor how accents are composed (macOS takes them apart). A name in the column always wins: a person who names a file gets
//! that file or none, and a file that is named belongs to those who name it, even if it is called like somebody else's id. Time and memory grow with the lists:
//! names are sorted once and looked up.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::tenant::is_photo_name;

/// Somebody who may have a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person<'a> {
    pub employee_id: &'a str,
    /// What stands in the photo column.
    pub photo_file: Option<&'a str>,
}

/// How many photos or people are listed for one that is ambiguous.
pub const LISTED: usize = 10;

/// Photos and people by their places in the lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matches {
    /// Person and photo, in the order of the people. A photo is there more than once if several people name it.
    pub matched: Vec<(usize, usize)>,
    /// How many photos somebody has.
    pub photos_matched: usize,
    /// Photos that nobody has, and nobody may have.
    pub orphans: Vec<usize>,
    /// People whose column names a photo that is not there.
    pub missing: Vec<usize>,
    pub ambiguous: Vec<Ambiguity>,
}

/// Nobody can tell, so nobody gets the photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ambiguity {
    /// More than one photo for a person; the first of them.
    SeveralPhotos { person: usize, photos: Vec<usize> },
    /// A photo that is named after the id of more than one person, who do not name it; the first of them.
    SeveralPeople { photo: usize, people: Vec<usize> },
}

/// Finds the photo of each person. `photos` are file names or paths.
pub fn match_photos(people: &[Person<'_>], photos: &[&str]) -> Matches {
    let names = Names::new(photos);
    let mut matches = Matches::default();
    let mut told = HashSet::new();
    // Whether somebody has or may have a photo.
    let mut is_used = vec![false; photos.len()];
    for (person, it) in people.iter().enumerate() {
        let Some(wanted) = wanted(it) else { continue };
        let found = names.find(&wanted);
        match found {
            [] => matches.missing.push(person),
            [(.., photo)] => {
                matches.matched.push((person, *photo));
                mark(&mut is_used, *photo);
            }
            several => matches.several_photos(person, several, &mut is_used, &mut told),
        }
    }
    matches.by_id(people, &names, &mut is_used);
    matches.matched.sort_unstable();
    let photos_matched: HashSet<usize> = matches.matched.iter().map(|(_, photo)| *photo).collect();
    matches.photos_matched = photos_matched.len();
    matches.orphans = (0..)
        .zip(&is_used)
        .filter(|(_, it)| !**it)
        .map(|(photo, _)| photo)
        .collect();
    matches
}

fn mark(is_used: &mut [bool], photo: usize) {
    if let Some(it) = is_used.get_mut(photo) {
        *it = true;
    }
}

impl Matches {
    fn several_photos(
        &mut self,
        person: usize,
        found: &[Name<'_>],
        is_used: &mut [bool],
        told: &mut HashSet<(usize, usize)>,
    ) {
        // Whoever comes first marks them for all: else many people who name one of many would take forever.
        if let Some((.., first)) = found.first()
            && told.insert((*first, found.len()))
        {
            for (.., photo) in found {
                mark(is_used, *photo);
            }
        }
        let photos = found
            .iter()
            .take(LISTED)
            .map(|(.., photo)| *photo)
            .collect();
        self.ambiguous
            .push(Ambiguity::SeveralPhotos { person, photos });
    }

    /// People without a name in the column, and photos that nobody names.
    fn by_id(&mut self, people: &[Person<'_>], names: &Names<'_>, is_used: &mut [bool]) {
        let mut with_id: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::new();
        for (person, it) in people.iter().enumerate() {
            if wanted(it).is_none() && !it.employee_id.trim().is_empty() {
                with_id
                    .entry(folded(it.employee_id.trim()))
                    .or_default()
                    .push(person);
            }
        }
        let mut claimed = Vec::new();
        let mut ambiguous = Vec::new();
        for (id, people) in &with_id {
            let free: Vec<Name<'_>> = names
                .of_stem(id)
                .iter()
                .filter(|(.., photo)| is_used.get(*photo) == Some(&false))
                .cloned()
                .collect();
            match (free.as_slice(), people.as_slice()) {
                ([], _) => {}
                ([(.., photo)], [person]) => claimed.push((*person, *photo)),
                ([(.., photo)], several) => ambiguous.push(Ambiguity::SeveralPeople {
                    photo: *photo,
                    people: several.iter().take(LISTED).copied().collect(),
                }),
                (several, people) => {
                    let photos: Vec<usize> = several
                        .iter()
                        .take(LISTED)
                        .map(|(.., photo)| *photo)
                        .collect();
                    ambiguous.extend(people.iter().map(|person| Ambiguity::SeveralPhotos {
                        person: *person,
                        photos: photos.clone(),
                    }));
                }
            }
            for (.., photo) in &free {
                mark(is_used, *photo);
            }
        }
        self.matched.extend(claimed);
        self.ambiguous.extend(ambiguous);
        self.ambiguous.sort_by_key(|it| match it {
            Ambiguity::SeveralPhotos { person, photos } => (Some(*person), photos.first().copied()),
            Ambiguity::SeveralPeople { photo, people } => (people.first().copied(), Some(*photo)),
        });
    }
}

/// The name in the photo column, without folders; none if there is none.
fn wanted<'a>(person: &Person<'a>) -> Option<Cow<'a, str>> {
    let name = file_name(person.photo_file?).trim();
    (!name.is_empty()).then(|| folded(name))
}

/// Without folders, however they are written.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// As names are compared.
fn folded(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if name.bytes().all(is_plain) {
        Cow::Borrowed(name)
    } else if is_nfc_quick(name.chars()) == IsNormalized::Yes {
        Cow::Owned(name.to_lowercase())
    } else {
        Cow::Owned(name.nfc().collect::<String>().to_lowercase())
    }
}

/// Stem, extension and place of a photo.
type Name<'a> = (Cow<'a, str>, Cow<'a, str>, usize);

/// All photos, sorted by name.
#[derive(Debug)]
struct Names<'a>(Vec<Name<'a>>);

impl<'a> Names<'a> {
    fn new(photos: &[&'a str]) -> Self {
        let split = |(photo, path): (usize, &&'a str)| {
            let name = file_name(path);
            let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
            (folded(stem), folded(extension), photo)
        };
        let mut names: Vec<_> = photos.iter().enumerate().map(split).collect();
        names.sort_unstable();
        Self(names)
    }

    fn of_stem(&self, stem: &str) -> &[Name<'a>] {
        let from = self.0.partition_point(|(it, ..)| it.as_ref() < stem);
        let rest = self.0.get(from..).unwrap_or_default();
        let length = rest.partition_point(|(it, ..)| it.as_ref() == stem);
        rest.get(..length).unwrap_or_default()
    }

    /// The photos of this name; a name that does not end as photos do is taken for one without its extension.
    fn find(&self, name: &str) -> &[Name<'a>] {
        match name.rsplit_once('.').filter(|_| is_photo_name(name)) {
            None => self.of_stem(name),
            Some((stem, extension)) => {
                let all = self.of_stem(stem);
                let from = all.partition_point(|(_, it, _)| it.as_ref() < extension);
                let rest = all.get(from..).unwrap_or_default();
                let length = rest.partition_point(|(_, it, _)| it.as_ref() == extension);
                rest.get(..length).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person<'a>(employee_id: &'a str, photo_file: &'a str) -> Person<'a> {
        Person {
            employee_id,
            photo_file: Some(photo_file).filter(|it| !it.is_empty()),
        }
    }

    #[test]
    fn the_column_comes_first_and_then_the_id_and_case_and_folders_do_not_count() {
        let people = [
            person("7", "Portraits\\Ann.JPG"),
            person("00042", ""),
            person("E-9", ""),
            person("10", "bob"),
            person("11", "C:/photos/gone.png"),
            person("12", " "),
            person("13", ""),
        ];
        let photos = [
            "/images/ann.jpg",
            "/images/00042.Png",
            "east/e-9.BMP",
            "/images/BOB.jpeg",
            "/images/42.jpg",
            "12.jpg",
        ];
        let matches = match_photos(&people, &photos);
        assert_eq!(matches.matched, [(0, 0), (1, 1), (2, 2), (3, 3), (5, 5)]);
        assert_eq!(matches.orphans, [4]);
        assert_eq!(matches.missing, [4]);
        assert_eq!(matches.ambiguous, []);
    }

    #[test]
    fn two_photos_of_one_person_are_nobodys() {
        let people = [
            person("7", ""),
            person("8", "8.png"),
            person("9", "face.jpg"),
        ];
        let photos = [
            "7.jpg",
            "7.PNG",
            "8.jpg",
            "8.png",
            "east/face.jpg",
            "west/face.jpg",
        ];
        let matches = match_photos(&people, &photos);
        assert_eq!(matches.matched, [(1, 3)]);
        assert_eq!(
            matches.orphans,
            [2],
            "8.jpg, because the column names the other"
        );
        assert_eq!(
            matches.ambiguous,
            [
                Ambiguity::SeveralPhotos {
                    person: 0,
                    photos: vec![0, 1]
                },
                Ambiguity::SeveralPhotos {
                    person: 2,
                    photos: vec![4, 5]
                },
            ]
        );
    }

    #[test]
    fn a_photo_of_two_people_is_theirs_if_both_name_it_only() {
        let people = [
            person("1", "twins.jpg"),
            person("2", "TWINS.jpg"),
            person("a1", ""),
            person("A1", ""),
        ];
        let matches = match_photos(&people, &["twins.jpg", "A1.jpg"]);
        assert_eq!(matches.matched, [(0, 0), (1, 0)]);
        assert_eq!(
            matches.ambiguous,
            [Ambiguity::SeveralPeople {
                photo: 1,
                people: vec![2, 3]
            }]
        );
        assert!(matches.orphans.is_empty());
    }

    #[test]
    fn a_named_photo_is_not_somebody_elses_for_being_called_like_an_id() {
        let people = [person("1", "2.jpg"), person("2", "")];
        let matches = match_photos(&people, &["2.jpg"]);
        assert_eq!(matches.matched, [(0, 0)]);
        assert_eq!((matches.missing, matches.orphans), (vec![], vec![]));
    }

    #[test]
    fn accents_may_be_composed_or_not() {
        let people = [person("1", "Zo\u{eb}.jpg"), person("\u{c9}2", "")];
        let matches = match_photos(&people, &["ZOE\u{308}.JPG", "e\u{301}2.png"]);
        assert_eq!(matches.matched, [(0, 0), (1, 1)]);
    }

    #[test]
    fn lists_are_not_quadratic_even_if_all_are_called_the_same() {
        let ids: Vec<String> = (0..20_000).map(|number| format!("E{number:06}")).collect();
        let files: Vec<String> = ids.iter().map(|id| format!("/images/{id}.JPG")).collect();
        let people: Vec<_> = ids.iter().map(|id| person(id, "")).collect();
        let photos: Vec<_> = files.iter().map(String::as_str).collect();
        let start = std::time::Instant::now();
        assert_eq!(match_photos(&people, &photos).matched.len(), 20_000);
        let same: Vec<_> = ids.iter().map(|id| person(id, "same.jpg")).collect();
        let matches = match_photos(&same, &vec!["same.jpg"; 20_000]);
        assert_eq!(matches.ambiguous.len(), 20_000);
        assert!(matches.orphans.is_empty());
        let same_id: Vec<_> = ids.iter().map(|_| person("same", "")).collect();
        let matches = match_photos(&same_id, &vec!["same.jpg"; 20_000]);
        assert_eq!(matches.ambiguous.len(), 20_000);
        // Seconds in an unoptimised build on a busy machine; minutes if each were compared with each.
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
