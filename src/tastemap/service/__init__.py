"""What any screen needs beyond the library: to read files of which little is said, to find items by title, to make
models from texts, to say in JSON what came out.

Nothing here prints or knows a screen. What was decided on the way comes back as data, and a screen words it: the
command line in `cli.words`.
"""
