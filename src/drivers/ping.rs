//! A request to an address that wants to hear from us now and then.

use std::time::Duration;

/// A ping that takes longer has failed; the next one comes in a minute.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks the address once, within ten seconds; what it says is not read.
///
/// # Errors
/// Why it was not reached, as a sentence without the address, which may be secret.
pub async fn ping(client: &reqwest::Client, url: &str) -> Result<(), String> {
    let answer = client.get(url).timeout(LIMIT).send().await;
    match answer.and_then(reqwest::Response::error_for_status) {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = error.without_url();
            Err(match error.status() {
                Some(status) => format!("it answered {status}"),
                None if error.is_timeout() => "it did not answer in time".to_owned(),
                None => error.to_string(),
            })
        }
    }
}
