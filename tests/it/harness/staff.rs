//! Invented people, and the file that an HR system would write about them.

use std::collections::BTreeMap;

/// One invented person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) work_email: String,
    pub(crate) department: String,
}

/// A company's people by employee id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Staff(pub(crate) BTreeMap<String, Person>);

const HEADER: &str = "Employee ID,First Name,Last Name,Work Email,Department\n";

impl Staff {
    /// People with the ids `E00001` to `E<count>`.
    pub(crate) fn of(count: usize) -> Self {
        let mut staff = Self::default();
        for number in 1..=count {
            staff.join(number);
        }
        staff
    }

    /// The id of the person with this number.
    pub(crate) fn id(number: usize) -> String {
        format!("E{number:05}")
    }

    /// Someone joins.
    pub(crate) fn join(&mut self, number: usize) {
        let first = ["Ada", "Björn", "Chloé", "Dana", "Emeka", "Farah"][number % 6];
        let last = ["O'Hara", "Núñez", "Smith, Jr.", "Li", "Weiß"][number % 5];
        let person = Person {
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            work_email: format!("person{number}@acme.example"),
            department: ["Sales", "Research", "Works"][number % 3].to_owned(),
        };
        self.0.insert(Self::id(number), person);
    }

    /// Someone leaves.
    pub(crate) fn leave(&mut self, number: usize) {
        self.0.remove(&Self::id(number)).unwrap();
    }

    /// Someone moves to another department.
    pub(crate) fn move_to(&mut self, number: usize, department: &str) {
        let person = self.0.get_mut(&Self::id(number)).unwrap();
        department.clone_into(&mut person.department);
    }

    /// The file about them.
    pub(crate) fn csv(&self) -> Vec<u8> {
        let mut csv = HEADER.to_owned();
        for (id, person) in &self.0 {
            csv.push_str(&Self::line(id, person));
        }
        csv.into_bytes()
    }

    /// One line of it.
    pub(crate) fn line(id: &str, person: &Person) -> String {
        let Person {
            first_name,
            last_name,
            work_email,
            department,
        } = person;
        format!("{id},{first_name},\"{last_name}\",{work_email},{department}\n")
    }

    /// The people in a CSV file with these columns, as `rosterd roster` writes it or [`Self::csv`] does.
    pub(crate) fn read(csv: &[u8]) -> Self {
        let csv = csv.strip_prefix("\u{feff}".as_bytes()).unwrap_or(csv);
        let mut reader = csv::Reader::from_reader(csv);
        let headers: Vec<String> = reader
            .headers()
            .unwrap()
            .iter()
            .map(|header| header.to_lowercase().replace(' ', "_"))
            .collect();
        let at = |name: &str| {
            headers
                .iter()
                .position(|header| header == name)
                .unwrap_or_else(|| panic!("no column {name} in {headers:?}"))
        };
        let people = reader.records().map(|record| {
            let record = record.unwrap();
            let cell = |name: &str| record[at(name)].to_owned();
            let person = Person {
                first_name: cell("first_name"),
                last_name: cell("last_name"),
                work_email: cell("work_email"),
                department: cell("department"),
            };
            (cell("employee_id"), person)
        });
        Self(people.collect())
    }
}

#[test]
fn invented_people_survive_their_own_file() {
    let staff = Staff::of(12);
    assert_eq!(Staff::read(&staff.csv()), staff);
}
