//! Text as Telegram counts and reads it: HTML escaping, UTF-16 lengths, splitting at lines.
