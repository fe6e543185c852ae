"""What every user interface needs beyond the library: it reads files with few options given, finds items by title,
makes models from texts and describes results for JSON.

Nothing here prints. What was decided on the way comes back as data, and a user interface words it: the command line
does so in `cli.words`.
"""
