//! Pure. What a name in a mailbox stands for, decided before any data is sent; a refusal says what is expected instead.

use crate::config::Tenant;
use crate::mailbox::MailboxPath;
use crate::mailbox::arrival::Placement;
use crate::mailbox::layout::{DATA, DELIVERABLE_PATH_LIMIT_BYTES, ERRORS, IMAGES, REPORTS};
use crate::tenant::is_photo_name;

/// File names of data sources that a refusal lists.
const NAMED_SOURCES: usize = 5;
const PHOTO_IN_DATA: &str = "Photos belong in /images";

/// A name that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What it stands for.
    pub placement: Placement,
    /// What the sender should know all the same.
    pub warning: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Root,
    Data,
    /// `/images` and below.
    Images,
    /// `/reports`, `/errors` and below.
    Outgoing,
    Elsewhere,
}

/// What a file sent to `path` would be, or one sentence that says why it is not taken.
pub fn place(path: &MailboxPath, tenant: &Tenant) -> Result<Placed, String> {
    let (Some(name), Some(folder)) = (path.name(), path.parent()) else {
        return Err(expected(tenant));
    };
    let area = area(&folder);
    match area {
        Area::Outgoing => return Err("Here files can be read and deleted only".to_owned()),
        Area::Elsewhere => return Err(expected(tenant)),
        Area::Root | Area::Data | Area::Images => {}
    }
    let placed = place_name(name, area, tenant)?;
    let is_delivered = matches!(placed.placement, Placement::Data { .. } | Placement::Photo);
    if is_delivered && path.to_string().len() > DELIVERABLE_PATH_LIMIT_BYTES {
        return Err(format!(
            "The name is too long: up to {DELIVERABLE_PATH_LIMIT_BYTES} bytes with its folders"
        ));
    }
    Ok(placed)
}

/// A data source's own name goes before all patterns.
fn place_name(name: &str, area: Area, tenant: &Tenant) -> Result<Placed, String> {
    let plain = |placement| Placed {
        placement,
        warning: None,
    };
    let takes_data = matches!(area, Area::Root | Area::Data);
    let sources = &tenant.data_sources;
    if let Some(source) = sources.iter().find(|source| source.file_name.matches(name))
        && takes_data
    {
        return Ok(plain(Placement::Data {
            source: source.name.clone(),
        }));
    }
    if tenant.temporary_names.iter().any(|it| it.matches(name)) {
        return Ok(plain(Placement::Temporary));
    }
    if tenant.ignore_names.iter().any(|it| it.matches(name)) {
        return Ok(plain(Placement::Ignored));
    }
    let meant = sources
        .iter()
        .find(|source| source.file_name.matches_but_for_case(name));
    if let Some(source) = meant
        && takes_data
    {
        return Err(format!(
            "Expected \"{}\": names are compared with upper and lower case",
            source.file_name.as_str()
        ));
    }
    match (is_photo_name(name), area) {
        (true, Area::Images) => Ok(plain(Placement::Photo)),
        (true, Area::Data) => Ok(Placed {
            placement: Placement::Photo,
            warning: Some(PHOTO_IN_DATA),
        }),
        (true, _) => Err("Photos (.bmp .jpg .jpeg .png) belong in /images".to_owned()),
        (false, _) => Err(expected(tenant)),
    }
}

/// Whether clients may make, rename and remove a folder here: below `/images` only.
pub(super) fn is_own_folder(path: &MailboxPath) -> bool {
    path.names().len() >= 2 && is_in(path, IMAGES)
}

/// Whether what is here counts against the quota: all but our own files in `/reports` and `/errors`.
pub(super) fn counts(path: &MailboxPath) -> bool {
    !is_outgoing(path)
}

/// `/reports`, `/errors` or below.
pub(super) fn is_outgoing(path: &MailboxPath) -> bool {
    is_in(path, REPORTS) || is_in(path, ERRORS)
}

fn is_in(path: &MailboxPath, top: &str) -> bool {
    path.names().first().is_some_and(|first| first == top)
}

fn area(folder: &MailboxPath) -> Area {
    match folder.names() {
        [] => Area::Root,
        [top] if top == DATA => Area::Data,
        [top, ..] if top == IMAGES => Area::Images,
        _ if is_outgoing(folder) => Area::Outgoing,
        _ => Area::Elsewhere,
    }
}

fn expected(tenant: &Tenant) -> String {
    let names: Vec<&str> = tenant
        .data_sources
        .iter()
        .map(|source| source.file_name.as_str())
        .take(NAMED_SOURCES)
        .collect();
    let photo = "a photo (.bmp .jpg .jpeg .png) in /images";
    if names.is_empty() {
        return format!("Expected {photo}");
    }
    let more = if tenant.data_sources.len() > names.len() {
        " …"
    } else {
        ""
    };
    format!("Expected {}{more} in /data, or {photo}", names.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::tests::tenant;

    fn placed(path: &str) -> Result<Placed, String> {
        let path = MailboxPath::resolve(&MailboxPath::root(), path.as_bytes()).unwrap();
        place(&path, &tenant("acme", 1000))
    }

    fn placement(path: &str) -> Placement {
        placed(path).unwrap().placement
    }

    #[test]
    fn a_data_source_name_is_taken_in_the_root_and_in_data_r0_24() {
        let employees = Placement::Data {
            source: "employees".to_owned(),
        };
        assert_eq!(placement("/employees.csv"), employees);
        assert_eq!(placement("/data/employees.csv"), employees);
        assert!(placed("/images/employees.csv").is_err());
        assert!(placed("/data/sub/employees.csv").is_err());
        assert!(placed("/other/employees.csv").is_err());
        assert!(placed("/Data/employees.csv").is_err());
    }

    #[test]
    fn a_wrong_name_is_told_the_right_one_r0_25() {
        assert_eq!(
            placed("/data/Employees.CSV").unwrap_err(),
            "Expected \"employees.csv\": names are compared with upper and lower case"
        );
        assert_eq!(
            placed("/data/staff.csv").unwrap_err(),
            "Expected employees.csv or staff_*.tmp in /data, or a photo (.bmp .jpg .jpeg .png) in /images"
        );
        let mut nothing = tenant("acme", 1000);
        nothing.data_sources.clear();
        assert_eq!(
            place(&MailboxPath::root().join("a.csv").unwrap(), &nothing).unwrap_err(),
            "Expected a photo (.bmp .jpg .jpeg .png) in /images"
        );
    }

    #[test]
    fn photos_belong_in_images_and_are_warned_about_in_data_r0_06() {
        assert_eq!(placement("/images/7.jpg"), Placement::Photo);
        assert_eq!(placement("/images/east/7.PNG"), Placement::Photo);
        assert_eq!(
            placed("/data/7.Jpeg").unwrap(),
            Placed {
                placement: Placement::Photo,
                warning: Some(PHOTO_IN_DATA)
            }
        );
        assert_eq!(
            placed("/7.bmp").unwrap_err(),
            "Photos (.bmp .jpg .jpeg .png) belong in /images"
        );
        assert!(placed("/images/.jpg").is_err());
        assert!(placed("/images/7.gif").is_err());
    }

    #[test]
    fn temporary_and_ignored_names_are_taken_wherever_uploads_are() {
        for folder in ["", "/data", "/images", "/images/east"] {
            assert_eq!(
                placement(&format!("{folder}/employees.csv.filepart")),
                Placement::Temporary
            );
            assert_eq!(
                placement(&format!("{folder}/.in.employees.csv")),
                Placement::Temporary
            );
            assert_eq!(
                placement(&format!("{folder}/Thumbs.db")),
                Placement::Ignored
            );
        }
        assert!(placed("/reports/a.part").is_err());
        assert!(placed("/other/a.part").is_err());
    }

    #[test]
    fn a_data_source_name_goes_before_the_temporary_patterns() {
        assert_eq!(
            placement("/data/staff_1.tmp"),
            Placement::Data {
                source: "staff".to_owned()
            }
        );
        assert_eq!(placement("/images/staff_1.tmp"), Placement::Temporary);
    }

    #[test]
    fn reports_and_errors_take_no_uploads() {
        for path in [
            "/reports/employees.csv",
            "/errors/7.jpg",
            "/errors/a/Thumbs.db",
        ] {
            assert_eq!(
                placed(path).unwrap_err(),
                "Here files can be read and deleted only"
            );
        }
    }

    #[test]
    fn a_path_too_long_for_the_spool_is_refused() {
        let long = format!("/images/{}.jpg", "a".repeat(190));
        assert!(
            placed(&long)
                .unwrap_err()
                .starts_with("The name is too long")
        );
        assert_eq!(
            placement(&format!("/images/{}.part", "a".repeat(190))),
            Placement::Temporary
        );
    }
}
