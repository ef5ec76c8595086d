"""What is built: the handler, and then what Python would import late, where it is used."""

from app import *
import late
