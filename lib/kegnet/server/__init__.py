"""The KegNet of a household or a bar: takes signed messages, keeps them, and shows them."""
