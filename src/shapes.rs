//! The shapes in which views and settings leave and enter the program, whoever asks: the command line and the API of the
//! web page have the same JSON and the same words.

pub mod audit;
pub mod json;
pub mod settings;
pub mod values;
