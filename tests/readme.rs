//! The README against the code: what it lists is what there is.

use rosterd::parse::field::Field;
use rosterd::parse::finding::code;

#[test]
fn the_readme_lists_every_field_and_every_finding() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let missing: Vec<&str> = Field::all()
        .map(Field::name)
        .chain(code::ALL.iter().copied())
        .filter(|name| !readme.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "the README does not name {missing:?}");
}
