# SPDX-License-Identifier: MIT
"""The two forms of the page."""

from django import forms
from django.conf import settings
from django.template.defaultfilters import filesizeformat

from .models import Entry


class EntryForm(forms.ModelForm):
    """Signing the guestbook."""

    class Meta:
        model = Entry
        fields = ["name", "wind", "text"]
        widgets = {
            "name": forms.TextInput(attrs={"placeholder": "Your name", "autocomplete": "name"}),
            "text": forms.Textarea(attrs={"placeholder": "A line for the next visitor", "rows": 3,
                                          "maxlength": 500}),
        }


class UploadForm(forms.Form):
    """Sending a file."""

    file = forms.FileField()

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > settings.UPLOAD_LIMIT_BYTES:
            limit = filesizeformat(settings.UPLOAD_LIMIT_BYTES)
            raise forms.ValidationError(f"That file is larger than {limit}.")
        return file
