//! Files of users and other people: which are read, which are refused, and what the documents
//! promise.

pub(crate) mod documents;
pub(crate) mod hostile;
pub(crate) mod users;
