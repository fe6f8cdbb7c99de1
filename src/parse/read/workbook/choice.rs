//! Pure. Which of a workbook's sheets is meant.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use crate::parse::finding::{Finding, code};

/// What is known of a sheet before its rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::parse::read) struct Candidate {
    pub(in crate::parse::read) name: String,
    pub(in crate::parse::read) is_visible: bool,
    /// A cell of it says something.
    pub(in crate::parse::read) is_filled: bool,
}

/// The sheet that was agreed on, hidden or not, or else the only visible one that holds something; none if all of them are empty and none is hidden.
pub(in crate::parse::read) fn choose(
    sheets: &[Candidate],
    agreed: Option<&str>,
) -> Result<Option<usize>, Finding> {
    let names = |wanted: &dyn Fn(&Candidate) -> bool| -> Vec<String> {
        let wanted = sheets.iter().filter(|sheet| wanted(sheet));
        wanted.map(|sheet| sheet.name.clone()).collect()
    };
    if let Some(agreed) = agreed {
        let is_it = |sheet: &Candidate| sheet.name.trim().eq_ignore_ascii_case(agreed.trim());
        let found = sheets.iter().position(is_it);
        return match found {
            Some(at) => Ok(Some(at)),
            None => Err(missing(agreed, &names(&|sheet| sheet.is_visible))),
        };
    }
    let is_meant = |sheet: &Candidate| sheet.is_visible && sheet.is_filled;
    let meant = names(&is_meant);
    if meant.len() > 1 {
        return Err(several(&meant));
    }
    let hidden = names(&|sheet| !sheet.is_visible);
    if meant.is_empty() && !hidden.is_empty() {
        return Err(all_hidden(&hidden));
    }
    Ok(sheets.iter().position(is_meant))
}

/// The first of these names, each cut to a length that can be read.
fn shown(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(8)
        .map(|name| format!("\"{}\"", name.chars().take(40).collect::<String>()))
        .collect();
    let more = if names.len() > shown.len() {
        " and more"
    } else {
        ""
    };
    format!("{}{more}", shown.join(", "))
}

fn missing(agreed: &str, visible: &[String]) -> Finding {
    Finding::file(
        code::MISSING_SHEET,
        format!(
            "The workbook has no sheet \"{agreed}\", which the configuration names; its sheets are {}.",
            shown(visible)
        ),
        "Give the sheet that name, or correct `sheet` of this data source.",
    )
}

fn all_hidden(names: &[String]) -> Finding {
    Finding::file(
        code::BLANK_HEADER,
        format!(
            "No sheet of the workbook that can be seen holds anything; hidden are {}.",
            shown(names)
        ),
        "Unhide the sheet with the employees, or name it as `sheet` of this data source.",
    )
}

fn several(names: &[String]) -> Finding {
    Finding::file(
        code::SEVERAL_SHEETS,
        format!(
            "The workbook has more than one visible sheet that holds something: {}.",
            shown(names)
        ),
        "Leave only the sheet with the employees, hide the others, or name it as `sheet` of this data source.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(name: &str, is_visible: bool, is_filled: bool) -> Candidate {
        Candidate {
            name: name.to_owned(),
            is_visible,
            is_filled,
        }
    }

    #[test]
    fn the_only_visible_sheet_with_something_in_it_is_meant() {
        let sheets = [
            sheet("Old", false, true),
            sheet("Notes", true, false),
            sheet("Staff", true, true),
        ];
        assert_eq!(choose(&sheets, None), Ok(Some(2)));
        assert_eq!(choose(&sheets[1..2], None), Ok(None));
        assert_eq!(choose(&sheets, Some(" OLD ")), Ok(Some(0)));
    }

    #[test]
    fn a_workbook_whose_sheets_are_hidden_is_not_called_empty() {
        let sheets = [sheet("Staff", false, true), sheet("Notes", true, false)];
        let finding = choose(&sheets, None).unwrap_err();
        assert_eq!(finding.code, code::BLANK_HEADER);
        assert!(
            finding.message.contains("hidden are \"Staff\""),
            "{finding:?}"
        );
    }

    #[test]
    fn two_of_them_and_a_name_that_is_not_there_are_refused_with_the_names() {
        let sheets = [sheet("Staff", true, true), sheet("Leavers", true, true)];
        let finding = choose(&sheets, None).unwrap_err();
        assert_eq!(finding.code, code::SEVERAL_SHEETS);
        assert!(
            finding.message.contains("\"Staff\", \"Leavers\""),
            "{finding:?}"
        );
        assert_eq!(choose(&sheets, Some("Leavers")), Ok(Some(1)));
        let finding = choose(&sheets, Some("Employees")).unwrap_err();
        assert_eq!(finding.code, code::MISSING_SHEET);
        assert!(finding.message.contains("\"Staff\""), "{finding:?}");
    }
}
