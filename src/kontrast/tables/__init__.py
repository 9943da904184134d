"""Tables: a dataset as a pandas table of its latents, divided, saved, and searched."""

from kontrast.tables.latents import Pictures as Pictures
from kontrast.tables.latents import divided_table as divided_table
from kontrast.tables.latents import latent_table as latent_table
from kontrast.tables.latents import observed as observed
from kontrast.tables.latents import write_pictures as write_pictures
from kontrast.tables.lookup import Lookup as Lookup
from kontrast.tables.saved import read_table as read_table
from kontrast.tables.saved import save_table as save_table
