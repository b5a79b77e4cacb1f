//! What channels and routes are called.

/// Longest name, in characters.
const NAME: usize = 64;

/// What is wrong with the name of a channel or a route.
pub(super) fn problem(name: &str) -> Option<String> {
    let length = name.trim().chars().count();
    let is_wrong = length == 0 || length > NAME || name.chars().any(char::is_control);
    is_wrong.then(|| format!("name has 1 to {NAME} characters and no control characters"))
}
