metadata description = 'Who is told when an alert fires.'

@description('Name of the group.')
param name string

@description('Tags.')
param tags object

@description('Addresses that get a mail.')
param emails array

@description('A URL that alerts are posted to; empty for none. Secret: such URLs often carry a token.')
@secure()
param webhookUrl string

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'retailstream'
    emailReceivers: [for (email, index) in emails: {
      name: 'email-${index}'
      emailAddress: email
      useCommonAlertSchema: true
    }]
    webhookReceivers: empty(webhookUrl) ? [] : [
      {
        name: 'webhook'
        serviceUri: webhookUrl
        useCommonAlertSchema: true
      }
    ]
  }
}
