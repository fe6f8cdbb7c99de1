//! Pure. The canonical fields of a person, in the fixed order of every file that rosterd writes.
//!
//! Names follow SCIM (RFC 7643) and HR practice. Synonyms are headers as real HR systems export them, in the form that [`normalised`]
//! makes of a header; within a field the more telling ones come first, because the first one found in a file wins.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A canonical field. Its order is that of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    EmployeeId,
    Username,
    WorkEmail,
    PersonalEmail,
    TitlePrefix,
    FirstName,
    MiddleName,
    LastName,
    PreferredName,
    FullName,
    JobTitle,
    Department,
    Division,
    Company,
    CostCenter,
    Location,
    ManagerId,
    ManagerName,
    ManagerEmail,
    AltManagerIds,
    IsAssistant,
    EmploymentStatus,
    EmploymentType,
    HireDate,
    OriginalHireDate,
    TerminationDate,
    TerminationReason,
    StatusDate,
    BirthDate,
    Gender,
    NationalId,
    WorkPhone,
    WorkPhoneExt,
    MobilePhone,
    AddressLine1,
    AddressLine2,
    City,
    Region,
    PostalCode,
    Country,
    AnnualPay,
    HourlyPay,
    PayCurrency,
    PayFrequency,
    PhotoFile,
}

/// What a field's cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldKind {
    /// Taken as it stands; ids are text, always.
    Text,
    /// `local@domain`.
    Email,
    /// Canonical form `YYYY-MM-DD`.
    Date,
    /// A decimal number.
    Decimal,
    /// Yes or no.
    Flag,
    /// A word for employed or not.
    Status,
}

struct Spec {
    field: Field,
    name: &'static str,
    kind: FieldKind,
    /// Normalised headers, a blank between them.
    synonyms: &'static str,
}

const fn spec(field: Field, name: &'static str, kind: FieldKind, synonyms: &'static str) -> Spec {
    Spec {
        field,
        name,
        kind,
        synonyms,
    }
}

/// One line a field, in the order of [`Field`]; a test holds that.
static SPECS: [Spec; Field::COUNT] = [
    spec(
        Field::EmployeeId,
        "employee_id",
        FieldKind::Text,
        "employeeid empid eeid employeenumber employeeno employee workerid associateid personnelnumber personid staffid staffnumber empno employeecode uniqueid externalid payrollid payrollnumber positionid filenumber personalnummer mitarbeiternr",
    ),
    spec(
        Field::Username,
        "username",
        FieldKind::Text,
        "userid username login loginname upn userprincipalname",
    ),
    spec(
        Field::WorkEmail,
        "work_email",
        FieldKind::Email,
        "workemail businessemail companyemail primaryemail emailaddress email emailid",
    ),
    spec(
        Field::PersonalEmail,
        "personal_email",
        FieldKind::Email,
        "personalemail homeemail privateemail",
    ),
    spec(
        Field::TitlePrefix,
        "title_prefix",
        FieldKind::Text,
        "salutation prefix honorific anrede",
    ),
    spec(
        Field::FirstName,
        "first_name",
        FieldKind::Text,
        "firstname givenname forename legalfirstname fname vorname",
    ),
    spec(
        Field::MiddleName,
        "middle_name",
        FieldKind::Text,
        "middlename middleinitial othernames",
    ),
    spec(
        Field::LastName,
        "last_name",
        FieldKind::Text,
        "lastname surname familyname legallastname lname nachname",
    ),
    spec(
        Field::PreferredName,
        "preferred_name",
        FieldKind::Text,
        "preferredname preferredfirstname knownas nickname",
    ),
    spec(
        Field::FullName,
        "full_name",
        FieldKind::Text,
        "fullname employeename displayname legalname personname name",
    ),
    spec(
        Field::JobTitle,
        "job_title",
        FieldKind::Text,
        "jobtitle positiontitle businesstitle jobrole jobprofile position role title",
    ),
    spec(
        Field::Department,
        "department",
        FieldKind::Text,
        "department departmentname dept homedepartment orgunit supervisoryorganization abteilung",
    ),
    spec(
        Field::Division,
        "division",
        FieldKind::Text,
        "division divisionname businessunit",
    ),
    spec(
        Field::Company,
        "company",
        FieldKind::Text,
        "company companyname legalentity employer organization companycode",
    ),
    spec(
        Field::CostCenter,
        "cost_center",
        FieldKind::Text,
        "costcenter costcentre ccode kostenstelle",
    ),
    spec(
        Field::Location,
        "location",
        FieldKind::Text,
        "location officelocation worklocation office site branch",
    ),
    spec(
        Field::ManagerId,
        "manager_id",
        FieldKind::Text,
        "managerid supervisorid supervisoreid reportstoid reportstoemployeeid manageremployeeid reportstoassociateid parentid",
    ),
    spec(
        Field::ManagerName,
        "manager_name",
        FieldKind::Text,
        "managername manager reportsto supervisor supervisorname linemanager",
    ),
    spec(
        Field::ManagerEmail,
        "manager_email",
        FieldKind::Email,
        "manageremail supervisoremail reportstoemailaddress",
    ),
    spec(
        Field::AltManagerIds,
        "alt_manager_ids",
        FieldKind::Text,
        "altreportsto dottedline matrixmanager",
    ),
    spec(
        Field::IsAssistant,
        "is_assistant",
        FieldKind::Flag,
        "isassistant assistant",
    ),
    spec(
        Field::EmploymentStatus,
        "employment_status",
        FieldKind::Status,
        "employmentstatus employeestatus workerstatus positionstatus jobstatus status active",
    ),
    spec(
        Field::EmploymentType,
        "employment_type",
        FieldKind::Text,
        "employmenttype employeetype workertype contracttype fulltimeparttime",
    ),
    spec(
        Field::HireDate,
        "hire_date",
        FieldKind::Date,
        "hiredate dateofhire startdate joindate joiningdate datejoined continuousservicedate eintrittsdatum beitrittam",
    ),
    spec(
        Field::OriginalHireDate,
        "original_hire_date",
        FieldKind::Date,
        "originalhiredate firsthiredate senioritydate",
    ),
    spec(
        Field::TerminationDate,
        "termination_date",
        FieldKind::Date,
        "terminationdate dateoftermination termdate exitdate leavingdate leavedate enddate lastday austrittsdatum austrittam",
    ),
    spec(
        Field::TerminationReason,
        "termination_reason",
        FieldKind::Text,
        "terminationreason termreason leavingreason reasonforleaving",
    ),
    spec(
        Field::StatusDate,
        "status_date",
        FieldKind::Date,
        "statusdate effectivedate changedate",
    ),
    spec(
        Field::BirthDate,
        "birth_date",
        FieldKind::Date,
        "birthdate dateofbirth dob geburtsdatum",
    ),
    spec(Field::Gender, "gender", FieldKind::Text, "gender sex"),
    spec(
        Field::NationalId,
        "national_id",
        FieldKind::Text,
        "nationalid ssn socialsecuritynumber nino ninumber nisnumber sin tfn",
    ),
    spec(
        Field::WorkPhone,
        "work_phone",
        FieldKind::Text,
        "workphone officephone businessphone phone telephone phonenumber",
    ),
    spec(
        Field::WorkPhoneExt,
        "work_phone_ext",
        FieldKind::Text,
        "workphoneext workphoneextension extension",
    ),
    spec(
        Field::MobilePhone,
        "mobile_phone",
        FieldKind::Text,
        "mobilephone mobile cell cellphone handynummer",
    ),
    spec(
        Field::AddressLine1,
        "address_line1",
        FieldKind::Text,
        "addressline1 address1 address street street1 streetaddress",
    ),
    spec(
        Field::AddressLine2,
        "address_line2",
        FieldKind::Text,
        "addressline2 address2 street2",
    ),
    spec(Field::City, "city", FieldKind::Text, "city town ort"),
    spec(
        Field::Region,
        "region",
        FieldKind::Text,
        "region state province county",
    ),
    spec(
        Field::PostalCode,
        "postal_code",
        FieldKind::Text,
        "postalcode postcode zip zipcode plz",
    ),
    spec(
        Field::Country,
        "country",
        FieldKind::Text,
        "country countrycode countryname land",
    ),
    spec(
        Field::AnnualPay,
        "annual_pay",
        FieldKind::Decimal,
        "annualpay annualsalary basesalary salary",
    ),
    spec(
        Field::HourlyPay,
        "hourly_pay",
        FieldKind::Decimal,
        "hourlypay hourlyrate payrate",
    ),
    spec(
        Field::PayCurrency,
        "pay_currency",
        FieldKind::Text,
        "paycurrency currency",
    ),
    spec(
        Field::PayFrequency,
        "pay_frequency",
        FieldKind::Text,
        "payfrequency payperiod frequency",
    ),
    spec(
        Field::PhotoFile,
        "photo_file",
        FieldKind::Text,
        "photofile photo picture image avatar",
    ),
];

impl Field {
    /// How many there are.
    pub const COUNT: usize = 45;

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        SPECS.iter().map(|spec| spec.field)
    }

    /// Takes a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        SPECS
            .iter()
            .find(|spec| spec.name == name)
            .map(|spec| spec.field)
    }

    /// The canonical name: key of the configuration, header of the roster.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// What its cells are.
    pub fn kind(self) -> FieldKind {
        self.spec().kind
    }

    /// Headers that mean this field, normalised, the more telling first.
    pub fn synonyms(self) -> impl Iterator<Item = &'static str> {
        self.spec().synonyms.split(' ')
    }

    /// Pay and national ids: never in logs, error files or on the command line without being asked for.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::NationalId | Self::AnnualPay | Self::HourlyPay)
    }

    /// What people call somebody by.
    pub fn is_name(self) -> bool {
        matches!(
            self,
            Self::FirstName | Self::LastName | Self::PreferredName | Self::FullName
        )
    }

    fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }
}

/// A header in the form that synonyms have: without accents, lower case, letters and digits only.
pub fn normalised(header: &str) -> String {
    header
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_fields() {
        for (at, spec) in SPECS.iter().enumerate() {
            assert_eq!(spec.field as usize, at, "{}", spec.name);
            assert_eq!(Field::parse(spec.name), Some(spec.field));
        }
    }

    #[test]
    fn no_synonym_means_two_fields() {
        let mut seen = std::collections::HashMap::new();
        for field in Field::all() {
            for synonym in field.synonyms() {
                assert_eq!(normalised(synonym), synonym);
                assert_eq!(seen.insert(synonym, field), None, "{synonym}");
            }
        }
    }

    #[test]
    fn a_header_is_compared_without_accents_case_and_punctuation() {
        assert_eq!(normalised(" Employee # "), "employee");
        assert_eq!(normalised("E-mail"), "email");
        assert_eq!(normalised("Prénom"), "prenom");
    }
}
